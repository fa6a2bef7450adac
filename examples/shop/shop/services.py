"""The outside world of this example: a price list, a warehouse, a bank and a mail server.

Each function stands for a request to another system. The tests replace functions with `monkeypatch`.
"""

from __future__ import annotations

from decimal import Decimal

PRICES = {"tea": Decimal("4.50"), "cup": Decimal("12.00"), "kettle": Decimal("39.90")}
STOCK_LOW = 3


class BankUnavailable(Exception):
    """The bank does not answer: worth another try."""


class SoldOut(Exception):
    """There are not enough of an article: trying again does not help."""


def price_of(article: str) -> Decimal:
    """Return the price of one piece. Raises `KeyError` for an unknown article."""
    return PRICES[article]


def take_from_stock(article: str, quantity: int) -> int:
    """Put so many aside; how many are left. `SoldOut` if there are not enough."""
    if quantity > 100:
        raise SoldOut(f"{quantity} x {article}")
    return 100 - quantity


def order_more(article: str) -> None:
    """Order an article from its supplier."""


def debit(reference: str, amount: Decimal) -> str:
    """Ask the bank for the money; the number of the payment. The bank takes each reference once only."""
    return f"payment-{reference}"


def send_mail(to: str, text: str) -> None:
    """Send a mail."""
