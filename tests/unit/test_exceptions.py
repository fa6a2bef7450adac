"""The exceptions: their tree, their texts, and their reconstruction."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest

from pynenc import exceptions
from pynenc.exceptions import (
    CycleDetectedError,
    InvocationConcurrencyControlledError,
    InvocationConcurrencyWithDifferentArgumentsError,
    InvocationError,
    InvocationNotFoundError,
    InvocationTimeoutError,
    PynencError,
    RemoteError,
    TaskError,
)

CLASSES = [cls for _, cls in inspect.getmembers(exceptions, inspect.isclass) if issubclass(cls, PynencError)]

# The parents that code written for pynenc relies on.
PARENTS = {
    "RetryError": "PynencError",
    "ConcurrencyRetryError": "RetryError",
    "SerializationError": "PynencError",
    "PayloadTooLargeError": "SerializationError",
    "TaskError": "PynencError",
    "InvalidTaskOptionsError": "TaskError",
    "TaskParallelProcessingError": "TaskError",
    "TaskRoutingError": "TaskError",
    "InvocationConcurrencyWithDifferentArgumentsError": "TaskRoutingError",
    "RemoteError": "PynencError",
    "InvocationError": "PynencError",
    "StateBackendError": "PynencError",
    "InvocationNotFoundError": "StateBackendError",
    "InvocationExpiredError": "InvocationNotFoundError",
    "InvocationStatusError": "PynencError",
    "InvocationStatusTransitionError": "InvocationStatusError",
    "InvocationStatusOwnershipError": "InvocationStatusError",
    "InvocationStatusRaceConditionError": "InvocationStatusError",
    "PendingInvocationLockError": "StateBackendError",
    "CycleDetectedError": "PynencError",
    "RunnerError": "PynencError",
    "RunnerNotExecutableError": "PynencError",
    "AlreadyInitializedError": "PynencError",
    "ConfigError": "PynencError",
    "ConfigMultiInheritanceError": "ConfigError",
    "AtomicServiceConfigError": "ConfigError",
    "TriggerConfigError": "ConfigError",
}


def _example(cls: type[PynencError]) -> PynencError:
    """Return an object of this class with all its arguments."""
    if issubclass(cls, InvocationConcurrencyWithDifferentArgumentsError):
        return cls("shop.pay", "an-id", "shop.pay:abc", "a: 1 != 2", "refused")
    if issubclass(cls, CycleDetectedError):
        return cls(["one", "two"], "in a circle")
    if issubclass(cls, (exceptions._AboutSubject, RemoteError)):
        return cls("the subject", "the message")
    return cls("the message")


@pytest.mark.parametrize(("name", "parent"), PARENTS.items())
def test_an_exception_class_has_its_documented_parent(name: str, parent: str) -> None:
    assert issubclass(getattr(exceptions, name), getattr(exceptions, parent))


def test_some_exception_classes_derive_from_a_builtin_too() -> None:
    assert issubclass(InvocationTimeoutError, TimeoutError)
    assert issubclass(InvocationConcurrencyControlledError, KeyError)
    assert issubclass(exceptions.ConfigFileError, ValueError)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_text_of_an_exception_says_what_happened(cls: type[PynencError]) -> None:
    assert vars(cls)["__doc__"].strip()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_an_exception_survives_its_arguments_pickle_copy_and_json(cls: type[PynencError]) -> None:
    original = _example(cls)
    for again in (
        cls(*original.args),
        pickle.loads(pickle.dumps(original)),
        copy.copy(original),
        PynencError.from_json(cls.__name__, original.to_json()),
    ):
        assert type(again) is cls
        assert again.args == original.args
        assert str(again) == str(original)
        assert vars(again) == vars(original)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_text_of_each_is_readable(cls: type[PynencError]) -> None:
    text = str(_example(cls))
    assert text
    assert not text.startswith(("(", "'", '"'))


def test_a_message_about_something_names_it_once() -> None:
    assert str(TaskError("shop.pay")) == "shop.pay"
    assert str(TaskError("shop.pay", "cannot be called")) == "shop.pay: cannot be called"
    assert str(TaskError("shop.pay", "task shop.pay cannot be called")) == "task shop.pay cannot be called"
    assert str(InvocationNotFoundError("an-id", "it is gone")) == "an-id: it is gone"
    assert str(InvocationConcurrencyControlledError("an-id", "dropped")) == "an-id: dropped"


def test_the_subject_of_an_exception_is_an_attribute() -> None:
    assert (TaskError("shop.pay").task_id, TaskError("shop.pay").message) == ("shop.pay", "")
    for cls in (InvocationError, InvocationNotFoundError, InvocationConcurrencyControlledError):
        assert (cls("an-id", "m").invocation_id, cls("an-id", "m").message) == ("an-id", "m")
    error = InvocationConcurrencyWithDifferentArgumentsError("shop.pay", "an-id", "shop.pay:abc", "a: 1 != 2")
    assert (error.task_id, error.existing_invocation_id, error.new_call_id, error.diff) == (
        "shop.pay",
        "an-id",
        "shop.pay:abc",
        "a: 1 != 2",
    )
    assert CycleDetectedError(("one", "two")).call_ids == ["one", "two"]


def test_a_refused_call_shows_what_is_registered_and_the_difference() -> None:
    text = str(InvocationConcurrencyWithDifferentArgumentsError("shop.pay", "an-id", "c", "a: 1 != 2"))
    assert text == "shop.pay: invocation an-id is registered with other arguments\na: 1 != 2"
    text = str(InvocationConcurrencyWithDifferentArgumentsError("shop.pay", "an-id", "c", "", "an-id is in the way"))
    assert text == "shop.pay: an-id is in the way"


def test_a_circle_shows_its_message_or_its_members() -> None:
    assert str(CycleDetectedError(["one", "two"])) == "one -> two"
    assert str(CycleDetectedError(["one"], "in a circle")) == "in a circle"


def test_a_remote_error_shows_type_and_message() -> None:
    assert str(RemoteError("shop.Sold", "out")) == "shop.Sold: out"
    assert str(RemoteError("shop.Sold")) == "shop.Sold"


def test_arguments_that_json_cannot_hold_are_written_as_their_text() -> None:
    again = PynencError.from_json("PynencError", PynencError(ValueError("x"), 5).to_json())
    assert again.args == ("ValueError('x')", 5)


class Mine(exceptions.RunnerError):
    """A user-defined exception."""


def test_a_subclass_of_yours_is_found_by_its_name() -> None:
    assert type(PynencError.from_json("Mine", Mine("x").to_json())) is Mine


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ValueError", '{"args": []}'),
        ("NoSuchError", '{"args": []}'),
        ("os.system", '{"args": ["true"]}'),
        ("PynencError", ""),
        ("PynencError", "[]"),
        ("PynencError", "{}"),
        ("PynencError", '{"args": 5}'),
        ("TaskError", '{"args": []}'),
        ("RemoteError", '{"args": [1, 2, 3, 4]}'),
    ],
)
def test_json_that_is_none_of_an_exception_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=name):
        PynencError.from_json(name, text)


def test_every_public_name_of_the_package_that_is_an_exception_is_one_of_these() -> None:
    import pynenc

    public: list[Any] = [getattr(pynenc, name) for name in pynenc.__all__]
    assert all(cls in CLASSES for cls in public if isinstance(cls, type) and issubclass(cls, BaseException))
