"""Values are decoded by their annotations to the declared types."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from support.worlds import World

from pynenc.exceptions import SerializationError


def _values(payloads: Any) -> dict[str, list[Any]]:
    order = payloads.Order(
        1,
        ["tea", "cups"],
        Decimal("12.50"),
        datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC),
        payloads.Colour.BLUE,
        payloads.Point(3, 4.5),
        {"weight": 2},
    )
    return {
        "of_dataclass": [order],
        "of_datetime": [
            datetime(2024, 1, 1),
            datetime(2024, 1, 1, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
        ],
        "of_date": [date(1999, 12, 31)],
        "of_timedelta": [timedelta(days=-1, microseconds=1), timedelta(0)],
        "of_decimal": [Decimal("0.1"), Decimal("-123456789012345678901234567890.5")],
        "of_bytes": [b"", bytes(range(256))],
        "of_enum": [payloads.Colour.BLUE],
        "of_set": [set(), {1, 2, 3}],
        "of_tuple": [(1, "one")],
        "of_named_tuple": [payloads.Point(1, 2.0)],
        "of_uuid": [uuid.UUID(int=7)],
        "of_typed_dict": [{"title": "Metropolis", "year": 1927}],
        "of_optional": [None, order],
        "of_list": [[], [payloads.Point(1, 2.0), payloads.Point(3, 4.0)]],
        "of_anything": [None, True, 1, -1.5, "text", [1, [2, []]], {"key": {"inner": [None]}}],
        "of_float": [0.0, -0.0, 1e308, 5e-324, 3.0],
        "of_int": [0, -1, 2**53 + 1, 2**63, 2**64 - 1],
        "of_str": ["", "\x00", "\U0001f600 ünï", '"quoted"\n\\'],
    }


@pytest.mark.as_worker
def test_values_come_back_equal_and_of_the_declared_type(running: World) -> None:
    payloads = running.jobs.payloads
    submitted = [
        (name, value, getattr(payloads, name)(value)) for name, values in _values(payloads).items() for value in values
    ]
    for name, value, invocation in submitted:
        result = invocation.result
        assert result == value, name
        assert type(result) is type(value), name
        if isinstance(value, float):
            assert math.copysign(1, result) == math.copysign(1, value), name


def test_a_tuple_without_annotation_arrives_as_a_list_only_where_the_task_says_lossy(running: World) -> None:
    with pytest.raises(SerializationError, match=r"at value\[1\], would come back as list, not tuple"):
        running.jobs.payloads.of_anything([1, (2, 3)])
    assert running.jobs.payloads.of_anything_roughly((1, (2, 3))).result == [1, [2, 3]]


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), "\ud800", 2**80], ids=["nan", "inf", "surrogate", "huge"]
)
def test_a_value_that_json_cannot_hold_round_trips_or_is_refused(running: World, value: Any) -> None:
    refusal = None
    try:
        result = running.jobs.payloads.of_anything(value).result
    except SerializationError as error:
        refusal = str(error)
    if refusal is None:
        assert result == value or (result != result and value != value)
    else:
        assert "value" in refusal
        assert running.app.orchestrator.count_invocations() == 0


def test_an_invocation_travels_as_an_argument_and_as_a_result(running: World) -> None:
    inner = running.jobs.basics.add(20, 22)
    assert running.jobs.waits.wait_for(inner).result == 42
    handed_out = running.jobs.waits.start_another(1, 2).result
    assert handed_out.result == 3


def test_a_task_travels_as_an_argument_and_as_a_result(running: World) -> None:
    waits, add = running.jobs.waits, running.jobs.basics.add
    assert waits.call_it(add, [(1, 2), (3, 4)]).result == 10
    assert waits.choose(True).result is add
    assert waits.choose(False).result is None
    with pytest.raises(SerializationError, match="annotate it as Task"):
        waits.call_any(add)
