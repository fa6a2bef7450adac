"""The data of the API and the tasks: plain dataclasses, which are decoded by their annotations."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Line:
    """A quantity of one article."""

    article: str
    quantity: int


@dataclass(frozen=True)
class Order:
    """The articles that a customer wants to buy."""

    number: int
    email: str
    lines: list[Line]


@dataclass(frozen=True)
class Receipt:
    """The cost of an order, and its payment."""

    order: int
    total: Decimal
    payment: str
