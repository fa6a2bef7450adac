"""The text of a decoded exception equals its text in the raising process, and showing it never raises."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import pickle
import traceback
from decimal import Decimal
from typing import Any, ClassVar

import pytest


def body() -> None:
    """The function of the task: this module is the task's."""


class Response:
    status = 503

    def __init__(self) -> None:
        self.lock = object()


class Declined(Exception):
    def __init__(self, amount: Any) -> None:
        super().__init__(amount)
        self.amount = amount

    def __str__(self) -> str:
        return f"declined: {self.amount:.2f}"


class Unavailable(Exception):
    def __init__(self, response: Response) -> None:
        self.response = response

    def __str__(self) -> str:
        return f"status {self.response.status}"


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    amount: Decimal

    def __str__(self) -> str:
        return f"{self.amount:.1f} left"


class ShowsAttributesInRepr(Exception):
    def __init__(self, response: Response) -> None:
        super().__init__("plain text")
        self.response = response

    def __repr__(self) -> str:
        return f"<{self.response.status}>"


class Counting(Exception):
    numbers = itertools.count()

    def __str__(self) -> str:
        return f"shown {next(self.numbers)} times"


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class WithFile(OSError):
    def __init__(self, response: Response) -> None:
        super().__init__(5, "no answer")
        self.response = response

    def __str__(self) -> str:
        return f"{self.errno}: {self.response.status}"


class Several(ExceptionGroup[Exception]):
    response: Response

    def __str__(self) -> str:
        return f"{self.message} {self.response.status}"


class Registered(Exception):
    known: ClassVar[list[str]] = []

    def __init_subclass__(cls) -> None:
        Registered.known.append(cls.__name__)

    def __str__(self) -> str:
        return f"{self.args[0].status}"


def _several() -> Several:
    group = Several("two", [ValueError("a"), KeyError("b")])
    group.response = Response()
    return group


RAISED = {
    "format of an attribute": (Declined(Decimal("12.5")), "declined: 12.50"),
    "attribute of an attribute": (Unavailable(Response()), "status 503"),
    "frozen dataclass": (Frozen(Decimal("3.14")), "3.1 left"),
    "representation alone": (ShowsAttributesInRepr(Response()), "plain text"),
    "no text at the raiser": (Mute("x"), "<Mute whose text cannot be made>"),
    "OSError": (WithFile(Response()), "5: 503"),
    "group": (_several(), "two 503"),
    "builtin": (ValueError(Decimal("1.5")), "1.5"),
    "registering subclasses": (Registered(Response()), "503"),
}


@pytest.mark.parametrize(("raised", "text"), RAISED.values(), ids=RAISED)
def test_the_text_is_the_recorded_one_and_the_class_is_kept(coder: Any, raised: Exception, text: str) -> None:
    back = coder.as_exception(raised, body)
    assert isinstance(back, type(raised))
    assert type(back).__name__ == type(raised).__name__
    assert str(back) == text
    assert text in "".join(traceback.format_exception(back))
    assert repr(back)
    assert vars(back)["__notes__"]


@pytest.mark.parametrize(("raised", "text"), RAISED.values(), ids=RAISED)
def test_the_text_survives_copying_pickling_and_another_journey(coder: Any, raised: Exception, text: str) -> None:
    back = coder.as_exception(raised, body)
    for again in (copy.copy(back), pickle.loads(pickle.dumps(back)), coder.as_exception(back, body)):
        assert isinstance(again, type(raised))
        assert str(again) == text


def test_a_text_that_changes_is_shown_as_it_was_recorded(coder: Any) -> None:
    back = coder.as_exception(Counting(), body)
    assert str(back) == str(back)


def test_a_class_that_registers_its_subclasses_learns_of_none(coder: Any) -> None:
    coder.as_exception(Registered(Response()), body)
    assert Registered.known == []


def test_an_exception_whose_text_travels_keeps_its_very_class(coder: Any) -> None:
    assert type(coder.as_exception(Declined(12.5), body)) is Declined
