"""Subclasses of str, int and float where the base is annotated."""

from __future__ import annotations

import enum
from typing import Any

import pytest

from pynenc.exceptions import SerializationError


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Cents(int):
    pass


class Ratio(float):
    pass


def test_a_subclass_of_a_scalar_fits_where_the_base_is_annotated(coder: Any) -> None:
    for annotation, value in ((str, Colour.RED), (int, Cents(5)), (float, Ratio(0.5)), (list[str], [Colour.RED, "x"])):
        back = coder.as_argument(annotation, value)
        assert back == value
        assert type(back) is (list if annotation == list[str] else annotation)


def test_a_subclass_of_a_scalar_fits_as_a_key_where_the_base_is_annotated(coder: Any) -> None:
    for annotation, value in (
        (dict[str, int], {Colour.RED: 1, "blue": 2}),
        (dict[str, list[str]], {Colour.RED: [Colour.RED]}),
        (dict[int, str], {Level.HIGH: "x", 2: "y"}),
        (dict[Colour, int], {Colour.RED: 1}),
    ):
        for back in (coder.as_argument(annotation, value), coder.as_result(annotation, value)):
            assert back == value
            assert {type(key) for key in back} == {annotation.__args__[0]}
    for annotation in (coder.unannotated, dict, dict[Any, Any]):
        with pytest.raises(SerializationError, match=r"has keys of type .*Colour, which would come back as str: "):
            coder.as_argument(annotation, {"plain": 1, Colour.RED: 1})
    with pytest.raises(SerializationError, match="come back with other keys"):
        coder.as_argument(dict[int, str], {True: "x"})
