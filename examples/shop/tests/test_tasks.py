"""The tasks of the shop: what they submit, what they return, what they do when something fails."""

from __future__ import annotations

from decimal import Decimal

import pytest
from shop import services
from shop.models import Line, Order, Receipt
from shop.tasks import charge, fulfil, price, reserve, restock, send_receipt

from pynenc.testing import AppTest

ORDER = Order(7, "kim@example.org", [Line("tea", 2), Line("cup", 1)])
RECEIPT = Receipt(7, Decimal("21.00"), "payment-order-7")


def test_a_body_is_a_function() -> None:
    """Without any store: `task.func` is the function that was decorated."""
    assert price.func(Line("tea", 3)) == Decimal("13.50")


def test_an_order_is_priced_charged_and_its_receipt_is_mailed(shop: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, str]] = []

    def send_mail(to: str, text: str) -> None:
        sent.append((to, text))

    monkeypatch.setattr(services, "send_mail", send_mail)
    order = fulfil(ORDER)
    shop.drain()
    assert order.result == RECEIPT
    assert len(shop.submitted(price)) == len(shop.submitted(reserve)) == 2
    shop.assert_submitted(charge, 7, amount=Decimal("21.00"))
    shop.assert_submitted(send_receipt, ORDER.email, RECEIPT)
    assert sent == [("kim@example.org", "Order 7: 21.00 (payment-order-7)")]


def test_the_bank_is_asked_again_when_it_does_not_answer(shop: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    references: list[str] = []

    def debit(reference: str, amount: Decimal) -> str:
        references.append(reference)
        if len(references) < 3:
            raise services.BankUnavailable
        return "payment-1"

    monkeypatch.setattr(services, "debit", debit)
    payment = charge(7, Decimal(1))
    shop.drain()
    assert payment.result == "payment-1"
    assert payment.num_retries == 2
    assert references == ["order-7"] * 3


def test_an_article_that_is_sold_out_ends_the_order_and_nothing_is_charged(shop: AppTest) -> None:
    order = fulfil(Order(8, "kim@example.org", [Line("kettle", 101)]))
    shop.drain()
    with pytest.raises(services.SoldOut, match="101 x kettle"):
        _ = order.result
    shop.assert_not_submitted(charge)


def test_an_article_that_runs_low_is_ordered_once(shop: AppTest) -> None:
    reserve(Line("tea", 98))
    reserve(Line("tea", 99))
    shop.drain()
    assert len(shop.submitted(restock)) == 1
    shop.assert_submitted(restock, "tea")
