"""A value that would come back changed is refused with the reason."""

from __future__ import annotations

import array
import collections
import collections.abc
import datetime as dt
import fractions
import ipaddress
import pathlib
import re
import types
import uuid
from typing import (
    Annotated,
    Any,
    Literal,
)

import msgspec
import pytest
from support.value_classes import (
    ODD_OFFSET,
    Box,
    Checked,
    Endless,
    Fractional,
    Made,
    Mixed,
    Model,
    Names,
    Nothing,
    Order,
    OwnForm,
    Plain,
    Point,
    PrivateAttrs,
    Ratio,
    Share,
    Struct,
    Table,
    Text,
    Tree,
    Whole,
    cyclic,
    name_of,
    nested,
    tree,
)

from pynenc.exceptions import SerializationError

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
    (Any, Made("a set with NaN", lambda: {1.0, NAN}), NO_FORM),
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
    (Any, Made("lists, one too deep", lambda: nested(201, lambda inner: [inner])), TOO_DEEP),
    (Any, Made("lists, very deep", lambda: nested(100_000, lambda inner: [inner])), TOO_DEEP),
    (Any, Made("dicts, very deep", lambda: nested(100_000, lambda inner: {"k": inner})), TOO_DEEP),
    (Any, Made("tuples, very deep", lambda: nested(100_000, lambda inner: (inner,))), TOO_DEEP),
    (Tree, Made("dataclasses, very deep", lambda: tree(100_000)), TOO_DEEP),
    (Any, Made("a list in itself", lambda: cyclic(list)), TOO_DEEP),
    (list[Any], Made("a list in itself", lambda: cyclic(list)), TOO_DEEP),
    (dict[str, Any], Made("a dict in itself", lambda: cyclic(dict)), TOO_DEEP),
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


def test_the_table_of_refusals_is_long() -> None:
    assert len(REFUSED) > 60


@pytest.mark.parametrize(("annotation", "value", "reason"), REFUSED, ids=name_of)
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
    ids=name_of,
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
