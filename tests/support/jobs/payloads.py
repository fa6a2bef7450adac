"""Values of every kind that annotations describe: each task checks the type of its argument and returns it."""

from __future__ import annotations

import enum
import uuid
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, TypedDict

from support.jobs.app import app


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Point(NamedTuple):
    x: int
    y: float


class Movie(TypedDict):
    title: str
    year: int


@dataclass
class Order:
    number: int
    lines: list[str]
    total: Decimal
    placed: datetime
    colour: Colour = Colour.RED
    at: Point = Point(0, 0.0)
    extra: dict[str, int] = field(default_factory=dict)


def _checked(value: Any, expected: type) -> Any:
    assert type(value) is expected, f"arrived as {type(value).__name__}, not {expected.__name__}"
    return value


@app.task
def of_dataclass(value: Order) -> Order:
    assert isinstance(value.placed, datetime)
    assert isinstance(value.at, Point)
    return _checked(value, Order)


@app.task
def of_datetime(value: datetime) -> datetime:
    return _checked(value, datetime)


@app.task
def of_date(value: date) -> date:
    return _checked(value, date)


@app.task
def of_timedelta(value: timedelta) -> timedelta:
    return _checked(value, timedelta)


@app.task
def of_decimal(value: Decimal) -> Decimal:
    return _checked(value, Decimal)


@app.task
def of_bytes(value: bytes) -> bytes:
    return _checked(value, bytes)


@app.task
def of_enum(value: Colour) -> Colour:
    return _checked(value, Colour)


@app.task
def of_set(value: set[int]) -> set[int]:
    return _checked(value, set)


@app.task
def of_tuple(value: tuple[int, str]) -> tuple[int, str]:
    return _checked(value, tuple)


@app.task
def of_named_tuple(value: Point) -> Point:
    return _checked(value, Point)


@app.task
def of_uuid(value: uuid.UUID) -> uuid.UUID:
    return _checked(value, uuid.UUID)


@app.task
def of_typed_dict(value: Movie) -> Movie:
    return _checked(value, dict)


@app.task
def of_optional(value: Order | None) -> Order | None:
    return value


@app.task
def of_list(value: list[Point]) -> list[Point]:
    assert all(isinstance(point, Point) for point in value)
    return value


@app.task
def of_anything(value):  # type: ignore[no-untyped-def]
    return value


@app.task(lossy=True)
def of_anything_roughly(value: Any) -> Any:
    return value


@app.task
def of_float(value: float) -> float:
    return value


@app.task
def of_int(value: int) -> int:
    return value


@app.task
def of_str(value: str) -> str:
    return value


@app.task
def joined(parts: list[str]) -> str:
    return "".join(parts)
