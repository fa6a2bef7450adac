"""A class that defines the JSON form of its objects: `to_json()` and a class method `from_json(data)`."""

from __future__ import annotations

from typing import Any

import pytest

from pynenc.exceptions import SerializationError
from pynenc.serializer import JsonSerializable


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def to_json(self) -> Any:
        return {"cents": self.cents}

    @classmethod
    def from_json(cls, data: Any) -> Money:
        return cls(data["cents"])


@pytest.mark.parametrize("way", ["as_argument", "as_result"])
def test_annotated_with_its_class_an_object_comes_back(coder: Any, way: str) -> None:
    money = getattr(coder, way)(Money, Money(5))
    assert (type(money), money.cents) == (Money, 5)


def test_the_protocol_tells_such_classes_from_others() -> None:
    assert isinstance(Money(1), JsonSerializable)
    assert not isinstance({"cents": 1}, JsonSerializable)


def test_a_parameter_annotated_with_the_protocol_itself_is_refused(coder: Any) -> None:
    with pytest.raises(SerializationError, match=r"JsonSerializable cannot be decoded"):
        coder.as_argument(JsonSerializable, Money(5))
