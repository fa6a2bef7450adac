"""Every value comes back equal and of its annotated type, or is refused with the reason; none is changed in silence."""

from __future__ import annotations

import array
import collections
import collections.abc
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import ipaddress
import math
import pathlib
import re
import types
import uuid
from collections.abc import Callable
from typing import (
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
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
import pytest

from pynenc.exceptions import SerializationError

T = TypeVar("T")
Amount = NewType("Amount", int)
OFFSET = dt.timezone(dt.timedelta(hours=5, minutes=45))
ODD_OFFSET = dt.timezone(dt.timedelta(seconds=61))


class Zone(dt.tzinfo):
    """One hour more in the second half of the year."""

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


def _nested(depth: int, wrap: Any) -> Any:
    value: Any = None
    for _ in range(depth):
        value = wrap(value)
    return value


@dataclasses.dataclass(frozen=True)
class Made:
    """A value that only exists within its test: not even its text can be made."""

    name: str
    make: Callable[[], Any]


def _tree(depth: int) -> Tree:
    return _nested(depth, lambda inner: Tree(1, inner))  # type: ignore[no-any-return]


def _cyclic(kind: Any) -> Any:
    value = kind()
    if isinstance(value, list):
        value.append(value)
    else:
        value["itself"] = value
    return value


_UTC = dt.UTC
_ORDER = Order(7, [Point(1, -0.5)], dt.datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=_UTC), "private")

SAME: list[tuple[Any, Any]] = [
    # numbers
    (bool, True),
    (int, 0),
    (int, -(2**63) - 1),
    (int, 2**64),
    (int, 2**80),
    (Any, 2**80),
    (int, -(10**4000)),
    (float, 0.1),
    (float, -0.0),
    (float, 5e-324),
    (float, 1.7976931348623157e308),
    (int | float, 1.0),
    (float | int, 1),
    (decimal.Decimal, decimal.Decimal("1.10")),
    (decimal.Decimal, decimal.Decimal("NaN")),
    (decimal.Decimal, decimal.Decimal("-Infinity")),
    (decimal.Decimal, decimal.Decimal("1E+400")),
    (Amount, 5),
    (Annotated[int, msgspec.Meta(ge=0)], 5),
    (Whole, Whole(5)),
    (Ratio, Ratio(1.5)),
    # texts and bytes
    (str, ""),
    (str, "\x00"),
    (str, "\U0001f600 ünï \u2028 \x7f"),
    (str, 'a"b\\c\n'),
    (Text, Text("a")),
    (bytes, bytes(range(256))),
    (bytearray, bytearray(b"\x00\xff")),
    (memoryview, memoryview(b"ab")),
    (pathlib.Path, pathlib.Path("/a/b c")),
    (pathlib.PurePosixPath, pathlib.PurePosixPath("a")),
    (pathlib.PureWindowsPath, pathlib.PureWindowsPath("c:\\a")),
    (uuid.UUID, uuid.UUID(int=5)),
    (Literal["a", "b"], "b"),
    # times
    (dt.datetime, dt.datetime(2024, 2, 29, 1, 2, 3, 4)),
    (dt.datetime, dt.datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=_UTC)),
    (dt.datetime, dt.datetime(2024, 2, 29, tzinfo=OFFSET)),
    (dt.datetime, dt.datetime(1, 1, 1, tzinfo=_UTC)),
    (dt.datetime, dt.datetime.max),
    (dt.date, dt.date(1, 1, 1)),
    (dt.time, dt.time(23, 59, 59, 999999)),
    (dt.time, dt.time(1, tzinfo=OFFSET)),
    (dt.timedelta, dt.timedelta(days=-3, microseconds=1)),
    (dt.timedelta, dt.timedelta.max),
    (dt.timedelta, dt.timedelta.min),
    # containers
    (type(None), None),
    (Any, None),
    (list[int], [1, 2]),
    (list, [1, "a", [None]]),
    (tuple[int, str], (1, "a")),
    (tuple[int, ...], (1, 2)),
    (tuple, (1, 2)),
    (tuple[()], ()),
    (set[int], {1, 2}),
    (set[tuple[int, str]], {(1, "a")}),
    (set[frozenset[int]], {frozenset({1})}),
    (frozenset[str], frozenset("a")),
    (dict[str, Any], {"a": {"b": [1]}}),
    (dict[int, str], {1: "a"}),
    (dict[float, str], {1.5: "a"}),
    (dict[uuid.UUID, dict[dt.date, int]], {uuid.UUID(int=1): {dt.date(2024, 1, 1): 1}}),
    (dict[bytes, int], {b"\x00": 1}),
    (dict[IntMember, int], {IntMember.ONE: 1}),
    (dict[str, list[tuple[int, set[str]]]], {"a": [(1, {"x"}), (2, set())]}),
    (list[tuple[dict[int, int], ...]], [({1: 1}, {})]),
    (dict[int, str] | list[int], {1: "a"}),
    (collections.deque[Point], collections.deque([Point(1)])),
    (collections.OrderedDict[str, int], collections.OrderedDict(b=1, a=2)),
    (collections.Counter[str], collections.Counter("aab")),
    (collections.Counter, collections.Counter("aab")),
    (collections.abc.Sequence[Point], [Point(1)]),
    (collections.abc.Mapping[int, str], {1: "a"}),
    (Any, _nested(150, lambda inner: {"k": inner})),
    (Any, _nested(150, lambda inner: [inner])),
    # classes
    (Plain, Plain.B),
    (Number, Number.ONE),
    (IntMember, IntMember.ONE),
    (TextMember, TextMember.A),
    (Flags, Flags.READ | Flags.WRITE),
    (Point, Point(1, 2.5)),
    (Movie, {"title": "Metropolis", "tags": {1}}),
    (Order, _ORDER),
    (list[Order | None], [_ORDER, None]),
    (Frozen, Frozen({1: "a"})),
    (WithConstants, WithConstants(3)),
    (Any, {}),
    (Tree, Tree(1, Tree(2), Tree(3, None, Tree(4)))),
    (Box[int], Box(1)),
    (Box[Point], Box(Point(1))),
    (Struct, Struct(1, Struct(2))),
    (Row, Row(1, "b")),
    (Cat | Dog, Dog("Rex")),
    (Attrs, Attrs(1, dt.datetime(2024, 1, 1))),
    (Attrs | None, None),
    (Model, Model(number=1, placed=dt.datetime(2024, 1, 1, tzinfo=_UTC), price=decimal.Decimal("2.00"))),
    (dict[str, list[Model]], {"a": [Model(number=1)]}),
    (Aliased, Aliased(**{"from": 3})),
    (Strict, Strict(at=dt.datetime(2024, 1, 1, tzinfo=_UTC), key=uuid.UUID(int=3), pair=(1, "a"))),
    (OwnForm, OwnForm([1, {"a": None}])),
    (list[OwnForm], [OwnForm(1)]),
    # optional and union
    (Optional[int], None),  # noqa: UP045
    (int | None, 5),
    (int | str, "1"),
    (int | str, 1),
    (dt.datetime | str, "2024-01-01T00:00:00"),
    (decimal.Decimal | None, decimal.Decimal("1")),
]


def _name(parameter: Any) -> str:
    if isinstance(parameter, Made):
        return parameter.name
    text = repr(parameter) if type(parameter) is not int or abs(parameter) < 2**100 else "a huge number"
    return re.sub(r"0x[0-9a-f]+", "0x", text.removeprefix("<class '").removesuffix("'>"))[:40]


def _same(before: Any, after: Any) -> bool:
    if type(before) is not type(after):
        return False
    if isinstance(before, decimal.Decimal):
        return repr(before) == repr(after)
    if isinstance(before, float):
        return before == after and math.copysign(1, before) == math.copysign(1, after)
    return bool(before == after)


def test_the_table_of_values_is_long() -> None:
    assert len(SAME) + len(REFUSED) > 130


@pytest.mark.parametrize(("annotation", "value"), SAME, ids=_name)
def test_a_value_comes_back_equal_and_of_its_type(coder: Any, annotation: Any, value: Any) -> None:
    assert _same(value, coder.as_argument(annotation, value))
    assert _same(value, coder.as_result(annotation, value))


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (True, True),
        (-1.5, -1.5),
        ([1, [2, {"a": None}]], [1, [2, {"a": None}]]),
        ((1, (2, 3)), [1, [2, 3]]),
        ({1}, [1]),
        (b"\x00", "AA=="),
        (Plain.A, "a"),
        (Point(1, 2.0), [1, 2.0]),
        (Order(1), {"number": 1, "points": [], "placed": None, "_note": ""}),
        (Struct(1), {"a": 1, "inner": None}),
        (dt.date(2024, 1, 1), "2024-01-01"),
        (decimal.Decimal("1.10"), "1.10"),
        (Text("a"), "a"),
        (Whole(2**80), 2**80),
        (Names(["a"]), ["a"]),
        (Table(a=1), {"a": 1}),
        (pathlib.Path("a"), "a"),
        (OwnForm((1, 2)), {"content": [1, 2]}),
    ],
    ids=_name,
)
def test_without_an_annotation_only_plain_json_travels_unless_the_task_is_lossy(
    coder: Any, value: Any, plain: Any
) -> None:
    for annotation in (coder.unannotated, Any, object):
        if not _same(value, plain) or type(value) is Names:
            for carry in (coder.as_argument, coder.as_result):
                with pytest.raises(SerializationError, match=r"would come back as .*lossy=True"):
                    carry(annotation, value)
        for back in (
            coder.as_argument(annotation, value, lossy=True),
            coder.as_result(annotation, value, lossy=True),
        ):
            assert back == plain
            assert type(back) is type(plain)


NAN, INF = float("nan"), float("inf")
NO_FORM = "JSON has no form|not finite"
KEYS = "keys that are not text"
TOO_DEEP = "nested deeper than 200 levels, or contains itself|nested too deep, or contains itself"
NOT_AT_ALL = "have no JSON form"

# Refused at the call, before anything is written.
REFUSED: list[tuple[Any, Any, str]] = [
    (float, NAN, NO_FORM),
    (float, -INF, NO_FORM),
    (Any, NAN, NO_FORM),
    (list[float], [1.0, INF], NO_FORM),
    (Any, {"a": (1, [NAN])}, NO_FORM),
    (Any, {1.0, NAN}, NO_FORM),
    (dict[float, int], {INF: 1}, NO_FORM),
    (Ratio, Ratio("nan"), NO_FORM),
    (Any, Ratio("inf"), NO_FORM),
    (Any, [1.0, Ratio("nan")], NO_FORM),
    (dict[float, int], {Ratio("nan"): 1}, NO_FORM),
    (Point, Point(1, NAN), NO_FORM),
    (Box[float], Box(NAN), NO_FORM),
    (Share, Share(value=NAN), NO_FORM),
    (OwnForm, OwnForm(NAN), NO_FORM),
    (Any, Made("a number of 5000 digits", lambda: 10**5000), "Exceeds the limit"),
    (str, "\ud800", "surrogates not allowed"),
    (Any, {"\ud800": 1}, "surrogates not allowed"),
    (pathlib.Path, pathlib.Path("a\udcff"), "surrogates not allowed"),
    (Any, {1: "a"}, KEYS),
    (Any, {"a": [{None: 1}]}, f"{KEYS}|{NOT_AT_ALL}"),
    (Any, {True: 1}, KEYS),
    (Any, {1.5: 1}, KEYS),
    (Any, {b"a": 1}, KEYS),
    (Any, {1: 1, "1": 2}, KEYS),
    (dict[str, Any], {"a": {1: 1}}, KEYS),
    (Any, {dt.date(2024, 1, 1): 1}, KEYS),
    (collections.Counter, collections.Counter([1, 1]), KEYS),
    (dict[tuple[int, int], str], {(1, 2): "a"}, NOT_AT_ALL),
    (dt.datetime, dt.datetime(2024, 1, 1, tzinfo=ODD_OFFSET), "not a whole number of minutes; use UTC"),
    (list[dt.time], [dt.time(1, tzinfo=ODD_OFFSET)], "not a whole number of minutes"),
    (Any, Made("lists, one too deep", lambda: _nested(201, lambda inner: [inner])), TOO_DEEP),
    (Any, Made("lists, very deep", lambda: _nested(100_000, lambda inner: [inner])), TOO_DEEP),
    (Any, Made("dicts, very deep", lambda: _nested(100_000, lambda inner: {"k": inner})), TOO_DEEP),
    (Any, Made("tuples, very deep", lambda: _nested(100_000, lambda inner: (inner,))), TOO_DEEP),
    (Tree, Made("dataclasses, very deep", lambda: _tree(100_000)), TOO_DEEP),
    (Any, Made("a list in itself", lambda: _cyclic(list)), TOO_DEEP),
    (list[Any], Made("a list in itself", lambda: _cyclic(list)), TOO_DEEP),
    (dict[str, Any], Made("a dict in itself", lambda: _cyclic(dict)), TOO_DEEP),
    (Endless, Endless(), TOO_DEEP),
    (PrivateAttrs, PrivateAttrs(1, 2), "begin with an underscore do not travel, and PrivateAttrs has _secret"),
    (Any, [PrivateAttrs(1, 2)], "begin with an underscore"),
    # The annotation itself cannot be used.
    (Mixed, Mixed.A, "either all str or all int"),
    (Fractional, Fractional.HALF, "either all str or all int"),
    (Order | Struct, Struct(1), "more than one"),
    (dt.date | dt.datetime, dt.datetime(2024, 1, 1), "more than one"),
    ("NoSuchName", dt.date(2024, 1, 1), "NoSuchName"),
    # Types without a form.
    *[
        (Any, value, NOT_AT_ALL)
        for value in (
            1j,
            range(3),
            fractions.Fraction(1, 3),
            ipaddress.ip_address("127.0.0.1"),
            re.compile("a"),
            array.array("i", [1]),
            types.SimpleNamespace(a=1),
            iter([1]),
            (letter for letter in "ab"),
            object(),
            Nothing(),
            Nothing,
            int,
            len,
            lambda: None,
            types,
            ValueError("x"),
            ...,
            NotImplemented,
            dt.UTC,
        )
    ],
    (complex, 1j, NOT_AT_ALL),
    (Nothing, Nothing(), NOT_AT_ALL),
    (list[Any], [1, [Nothing()]], NOT_AT_ALL),
]


@pytest.mark.parametrize(("annotation", "value", "reason"), REFUSED, ids=_name)
def test_a_value_that_json_cannot_hold_is_refused_when_it_is_passed(
    coder: Any, annotation: Any, value: Any, reason: str
) -> None:
    task = coder.task(annotation)
    value = value.make() if isinstance(value, Made) else value
    kind = type(value).__name__
    with pytest.raises(SerializationError, match=reason) as raised:
        coder.codec.encode_arguments(task, {"value": value})
    assert str(raised.value).startswith("argument 'value' of task shop.jobs.pay")
    assert kind in str(raised.value) or re.search(KEYS, str(raised.value))
    with pytest.raises(SerializationError, match=reason) as raised:
        coder.codec.encode_result(task, value)
    assert str(raised.value).startswith("the result of task shop.jobs.pay")


@pytest.mark.parametrize(
    ("annotation", "value", "reason"),
    [
        (int, True, "Expected `int`, got `bool`"),
        (int, "5", "Expected `int`, got `str`"),
        (int, 5.5, "Expected `int`, got `float`"),
        (bool, 1, "Expected `bool`, got `int`"),
        (str, 5, "Expected `str`, got `int`"),
        (str, None, "Expected `str`, got `null`"),
        (type(None), 5, "Expected `null`, got `int`"),
        (float, 10**400, "out of range"),
        (list[int], [1, "x"], r"value\[1\]: Expected `int`, got `str`"),
        (dict[str, int], {"a": "x"}, r"Expected `int`, got `str`"),
        (Literal["a"], "z", "Invalid enum value 'z'"),
        (Plain, "z", "Invalid enum value 'z'"),
        (Order, {"number": "x"}, r"value\.number: Expected `int`, got `str`"),
        (Order, {}, "missing required field `number`"),
        (Annotated[int, msgspec.Meta(ge=0)], -1, "Expected `int` >= 0"),
        (Model, {"number": "x"}, "number"),
        (Whole, "5", "expected int, got str"),
        (Text, 5, "expected str, got int"),
        (pathlib.Path, 5, "expected str, got int"),
        (uuid.UUID, "x", "Invalid UUID"),
        (dt.date, "yesterday", "Invalid RFC3339"),
        (bytes, "!", "Invalid base64"),
        (Names, ["a"], "Names cannot be decoded"),
        (Table, {"a": 1}, "Table cannot be decoded"),
    ],
    ids=_name,
)
def test_a_value_that_does_not_fit_its_annotation_is_refused_when_it_is_read(
    coder: Any, annotation: Any, value: Any, reason: str
) -> None:
    with pytest.raises(SerializationError, match=reason) as raised:
        coder.as_argument(annotation, value)
    assert "task shop.jobs.pay: the arguments do not fit its parameters" in str(raised.value)
    with pytest.raises(SerializationError, match=reason.replace("value", "result", 1) if "value[" in reason else None):
        coder.as_result(annotation, value)


def test_a_class_that_refuses_its_own_values_is_named_where_they_arrive(coder: Any) -> None:
    value = Checked(1)
    value.amount = -1
    with pytest.raises(SerializationError, match="less than nothing"):
        coder.as_argument(Checked, value)


def test_a_time_in_a_zone_comes_back_as_the_same_moment_with_its_offset(coder: Any) -> None:
    for value in (dt.datetime(2024, 1, 1, 12, tzinfo=Zone()), dt.datetime(2024, 7, 1, 12, tzinfo=Zone())):
        back = coder.as_result(dt.datetime, value)
        assert back == value
        assert back.utcoffset() == value.utcoffset()


def test_a_default_factory_does_not_travel_but_what_is_in_the_dict_does(coder: Any) -> None:
    annotation, value = collections.defaultdict[str, list[int]], collections.defaultdict(list, a=[1])
    with pytest.raises(SerializationError, match="would come back without its default_factory"):
        coder.as_result(annotation, value)
    back = coder.as_result(annotation, value, lossy=True)
    assert type(back) is collections.defaultdict
    assert back == {"a": [1]}
    assert back.default_factory is None
