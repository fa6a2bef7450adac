"""Classes and values for the tests of serializers."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import math
import re
import uuid
from collections.abc import Callable
from typing import (
    Any,
    ClassVar,
    Generic,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    TypedDict,
    TypeVar,
)

import attrs
import msgspec
import pydantic

T = TypeVar("T")
Amount = NewType("Amount", int)
OFFSET = dt.timezone(dt.timedelta(hours=5, minutes=45))
ODD_OFFSET = dt.timezone(dt.timedelta(seconds=61))


class Zone(dt.tzinfo):
    """A zone whose offset is one hour larger in the second half of the year."""

    def utcoffset(self, moment: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta(hours=1 if moment is None or moment.month < 7 else 2)

    def dst(self, moment: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta(0)


class Plain(enum.Enum):
    A = "a"
    B = "b"


class Number(enum.Enum):
    ONE = 1


class IntMember(enum.IntEnum):
    ONE = 1


class TextMember(enum.StrEnum):
    A = "a"


class Flags(enum.Flag):
    READ = 1
    WRITE = 2


class Mixed(enum.Enum):
    A = 1
    B = "b"


class Fractional(enum.Enum):
    HALF = 0.5


class Point(NamedTuple):
    x: int
    y: float = 0.0


class Movie(TypedDict):
    title: str
    tags: NotRequired[set[int]]


@dataclasses.dataclass
class Order:
    number: int
    points: list[Point] = dataclasses.field(default_factory=list)
    placed: dt.datetime | None = None
    _note: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    names: dict[int, str]


@dataclasses.dataclass
class WithConstants:
    limit: ClassVar[float] = float("nan")
    names: ClassVar[dict[int, str]] = {1: "one"}
    amount: int = 0


@dataclasses.dataclass
class Checked:
    amount: int

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise ValueError("less than nothing")


@dataclasses.dataclass
class Tree:
    value: int
    left: Optional[Tree] = None  # noqa: UP045 - evaluated on Python 3.11 too
    right: Optional[Tree] = None  # noqa: UP045


@dataclasses.dataclass
class Box(Generic[T]):
    content: T


class Struct(msgspec.Struct):
    a: int
    inner: Optional[Struct] = None  # noqa: UP045


class Row(msgspec.Struct, array_like=True):
    a: int
    b: str


class Cat(msgspec.Struct, tag=True):
    name: str


class Dog(msgspec.Struct, tag=True):
    name: str


@attrs.define
class Attrs:
    a: int
    b: dt.datetime | None = None


@attrs.define
class PrivateAttrs:
    a: int
    _secret: int = 0


class Model(pydantic.BaseModel):
    number: int
    placed: dt.datetime | None = None
    price: decimal.Decimal = decimal.Decimal("1.50")


class Aliased(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    from_: int = pydantic.Field(alias="from")

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def doubled(self) -> int:
        return 2 * self.from_


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    at: dt.datetime
    key: uuid.UUID
    pair: tuple[int, str]


class Share(pydantic.BaseModel):
    value: float


class Text(str):
    def __str__(self) -> str:
        return "another text"


class Whole(int):
    pass


class Ratio(float):
    pass


class Names(list[str]):
    pass


class Table(dict[str, int]):
    pass


class OwnForm:
    def __init__(self, content: Any) -> None:
        self.content = content

    def to_json(self) -> Any:
        return {"content": self.content}

    @classmethod
    def from_json(cls, data: Any) -> OwnForm:
        return cls(data["content"])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnForm) and other.content == self.content

    __hash__ = None  # type: ignore[assignment]


class Endless:
    def to_json(self) -> Endless:
        return self

    @classmethod
    def from_json(cls, data: Any) -> Endless:
        return cls()


class Nothing:
    pass


def nested(depth: int, wrap: Any) -> Any:
    """Wrap None `depth` times."""
    value: Any = None
    for _ in range(depth):
        value = wrap(value)
    return value


@dataclasses.dataclass(frozen=True)
class Made:
    """A value that is made inside its test, because it has no `repr` that pytest could show."""

    name: str
    make: Callable[[], Any]


def tree(depth: int) -> Tree:
    """Return a tree that is `depth` nodes deep."""
    return nested(depth, lambda inner: Tree(1, inner))  # type: ignore[no-any-return]


def cyclic(kind: Any) -> Any:
    """Return a list or dict that contains itself."""
    value = kind()
    if isinstance(value, list):
        value.append(value)
    else:
        value["itself"] = value
    return value


def name_of(parameter: Any) -> str:
    """Return the id of a test parameter: short, and equal in every process."""
    if isinstance(parameter, Made):
        return parameter.name
    text = repr(parameter) if type(parameter) is not int or abs(parameter) < 2**100 else "a huge number"
    return re.sub(r"0x[0-9a-f]+", "0x", text.removeprefix("<class '").removesuffix("'>"))[:40]


def same(before: Any, after: Any) -> bool:
    """Return whether two values have the same type and compare equal, down to the sign of zero."""
    if type(before) is not type(after):
        return False
    if isinstance(before, decimal.Decimal):
        return repr(before) == repr(after)
    if isinstance(before, float):
        return before == after and math.copysign(1, before) == math.copysign(1, after)
    return bool(before == after)
