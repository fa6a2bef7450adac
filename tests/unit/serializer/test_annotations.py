"""Parameters and results are decoded by their annotations, or as plain JSON if these are unusable."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NoReturn, TypedDict, Unpack

import pytest

from pynenc.exceptions import SerializationError
from pynenc.serializer.annotations import slots_of

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForTypeCheckers


class Logger:
    """Collects warnings."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warning(self, text: str, *args: Any) -> None:
        self.lines.append(text % args)


class Options(TypedDict, total=False):
    when: dt.date


def _slots(func: Any) -> tuple[dict[str, Any], list[str]]:
    logger = Logger()
    parameters, result = slots_of("shop.jobs.pay", func, lambda kind, value: value, logger)  # type: ignore[arg-type]
    return {slot.name: slot for slot in (*parameters, result)}, logger.lines


def _everything(  # type: ignore[no-untyped-def]
    a,
    b: int,
    c: set[int],
    d: int = None,  # type: ignore[assignment]  # noqa: RUF013 - as many write it
    *e: int,
    f: str | None = None,
    **g: dt.date,
) -> list[int]:
    raise NotImplementedError


def _unpacked(**options: Unpack[Options]) -> NoReturn:
    raise NotImplementedError


def _half_known(when: dt.date, price: OnlyForTypeCheckers, *rest: OnlyForTypeCheckers) -> OnlyForTypeCheckers:
    raise NotImplementedError


def _awkward(self: int, cls: int, f0: int, class_: int, value: int, task: int, kwargs: int) -> None:
    raise NotImplementedError


def test_a_parameter_has_the_type_of_the_value_encoded_under_its_name() -> None:
    slots, warnings = _slots(_everything)
    assert {name: slot.type for name, slot in slots.items()} == {
        "a": Any,
        "b": int,
        "c": set[int],
        "d": int | None,
        "e": list[int],
        "f": str | None,
        "g": dict[str, dt.date],
        "return": list[int],
    }
    assert warnings == []


def test_variadic_parameters_are_encoded_as_a_list_and_as_a_dict(coder: Any) -> None:
    task = coder.task(func=_everything)
    given = {"a": 1, "b": 2, "c": {3}, "d": None, "e": [4, 5], "g": {"x": dt.date(2024, 1, 1)}}
    assert coder.codec.decode_arguments(task, coder.codec.encode_arguments(task, given)) == given


def test_unpacked_keyword_arguments_are_decoded_by_their_typed_dict(coder: Any) -> None:
    task = coder.task(func=_unpacked)
    given = {"options": {"when": dt.date(2024, 1, 1)}}
    assert coder.codec.decode_arguments(task, coder.codec.encode_arguments(task, given)) == given


def test_a_parameter_may_have_any_name(coder: Any) -> None:
    task = coder.task(func=_awkward)
    given = dict.fromkeys(("self", "cls", "f0", "class_", "value", "task", "kwargs"), 1)
    assert coder.codec.decode_arguments(task, coder.codec.encode_arguments(task, given)) == given


def test_an_annotation_for_type_checkers_only_is_warned_of_and_costs_the_others_nothing() -> None:
    slots, warnings = _slots(_half_known)
    assert slots["when"].type is dt.date
    assert [name for name, slot in slots.items() if slot.plain_only] == ["price", "rest", "return"]
    assert len(warnings) == 3
    for warning, what in zip(warnings, ("parameter 'price'", "parameter 'rest'", "result"), strict=True):
        assert warning.startswith(f"the annotation of the {what} of task shop.jobs.pay cannot be used")
        assert "OnlyForTypeCheckers" in warning


def test_a_parameter_with_an_unusable_annotation_accepts_only_plain_values(coder: Any) -> None:
    task = coder.task(func=_half_known)
    given = {"when": dt.date(2024, 1, 1), "price": {"a": [1, None]}, "rest": []}
    assert coder.codec.decode_arguments(task, coder.codec.encode_arguments(task, given)) == given
    for value in ((1,), {1}, dt.date(2024, 1, 1), [b"x"]):
        with pytest.raises(SerializationError, match=r"argument 'price' .*OnlyForTypeCheckers"):
            coder.codec.encode_arguments(task, {"price": value})
        with pytest.raises(SerializationError, match=r"the result of task .*OnlyForTypeCheckers"):
            coder.codec.encode_result(task, value)


def test_a_result_of_type_never_needs_no_decoder() -> None:
    slots, warnings = _slots(_unpacked)
    assert (slots["return"].type, warnings) == (Any, [])
