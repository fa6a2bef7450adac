"""The web side of the shop: its answers, and that it runs no task itself."""

from __future__ import annotations

from typing import Any

from client import ask
from shop.models import Line, Order
from shop.tasks import app, fulfil

from pynenc.testing import AppTest, StartRunner

ORDER: dict[str, Any] = {"number": 7, "email": "kim@example.org", "lines": [{"article": "tea", "quantity": 2}]}


def test_an_order_is_accepted_at_once_and_shown_when_it_is_done(shop: AppTest) -> None:
    accepted = ask("POST", "/orders", ORDER)
    assert accepted.status_code == 202
    shop.assert_submitted(fulfil, Order(7, "kim@example.org", [Line("tea", 2)]))
    path = f"/orders/{accepted.json()['id']}"
    assert ask("GET", path).json() == {"status": "registered"}
    shop.drain()
    receipt = {"order": 7, "total": "9.00", "payment": "payment-order-7"}
    assert ask("GET", path).json() == {"status": "success", "receipt": receipt}


def test_an_order_that_fails_says_why(shop: AppTest) -> None:
    order = {**ORDER, "lines": [{"article": "kettle", "quantity": 101}]}
    path = f"/orders/{ask('POST', '/orders', order).json()['id']}"
    shop.drain()
    shown = ask("GET", path).json()
    assert shown["status"] == "failed"
    assert "101 x kettle" in shown["reason"]


def test_an_order_is_cancelled_while_it_waits(shop: AppTest) -> None:
    path = f"/orders/{ask('POST', '/orders', ORDER).json()['id']}"
    assert ask("DELETE", path).json() == {"cancelled": True}
    assert shop.drain() == []
    assert ask("DELETE", path).json() == {"cancelled": False}


def test_an_unknown_order_is_not_found(shop: AppTest) -> None:
    unknown = "/orders/00000000-0000-7000-8000-000000000000"
    assert ask("GET", unknown).status_code == 404
    assert ask("DELETE", unknown).status_code == 404


def test_a_quote_waits_for_a_runner(shop: AppTest, pynenc_runner: StartRunner) -> None:
    """A handler that waits needs a runner meanwhile: here one on a thread."""
    pynenc_runner(app)
    lines = [{"article": "tea", "quantity": 2}, {"article": "cup", "quantity": 1}]
    assert ask("POST", "/quotes", lines).json() == "21.00"
