"""What the API takes and the tasks pass on: plain dataclasses, which travel by their annotations."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Line:
    """So many of one article."""

    article: str
    quantity: int


@dataclass(frozen=True)
class Order:
    """What somebody wants to buy."""

    number: int
    email: str
    lines: list[Line]


@dataclass(frozen=True)
class Receipt:
    """What an order has cost, and the payment that settled it."""

    order: int
    total: Decimal
    payment: str
