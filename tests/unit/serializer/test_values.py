"""A value comes back equal and of its annotated type."""

from __future__ import annotations

import collections
import collections.abc
import datetime as dt
import decimal
import pathlib
import uuid
from typing import (
    Annotated,
    Any,
    Literal,
    Optional,
)

import msgspec
import pytest
from support.value_classes import (
    OFFSET,
    Aliased,
    Amount,
    Attrs,
    Box,
    Cat,
    Dog,
    Flags,
    Frozen,
    IntMember,
    Model,
    Movie,
    Names,
    Number,
    Order,
    OwnForm,
    Plain,
    Point,
    Ratio,
    Row,
    Strict,
    Struct,
    Table,
    Text,
    TextMember,
    Tree,
    Whole,
    WithConstants,
    Zone,
    name_of,
    nested,
    same,
)

from pynenc.exceptions import SerializationError

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
    (Any, nested(150, lambda inner: {"k": inner})),
    (Any, nested(150, lambda inner: [inner])),
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


def test_the_table_of_values_is_long() -> None:
    assert len(SAME) > 90


@pytest.mark.parametrize(("annotation", "value"), SAME, ids=name_of)
def test_a_value_comes_back_equal_and_of_its_type(coder: Any, annotation: Any, value: Any) -> None:
    assert same(value, coder.as_argument(annotation, value))
    assert same(value, coder.as_result(annotation, value))


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
    ids=name_of,
)
def test_without_an_annotation_only_plain_json_travels_unless_the_task_is_lossy(
    coder: Any, value: Any, plain: Any
) -> None:
    for annotation in (coder.unannotated, Any, object):
        if not same(value, plain) or type(value) is Names:
            for carry in (coder.as_argument, coder.as_result):
                with pytest.raises(SerializationError, match=r"would come back as .*lossy=True"):
                    carry(annotation, value)
        for back in (
            coder.as_argument(annotation, value, lossy=True),
            coder.as_result(annotation, value, lossy=True),
        ):
            assert back == plain
            assert type(back) is type(plain)


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
