"""Ids are text that knows its parts."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

from pynenc.identifiers import CallId, InvocationId, TaskId

EXAMPLES: list[tuple[Any, str]] = [
    (TaskId("shop.jobs", "pay"), "shop.jobs.pay"),
    (TaskId("shop.jobs.pay"), "shop.jobs.pay"),
    (TaskId("pay"), "pay"),
    (TaskId("", "pay"), "pay"),
    (CallId(TaskId("shop", "pay"), "abc"), "shop.pay:abc"),
    (CallId("shop.pay", "abc"), "shop.pay:abc"),
    (CallId("shop.pay:abc"), "shop.pay:abc"),
    (InvocationId("0192-ab"), "0192-ab"),
]


@pytest.mark.parametrize(("identifier", "text"), EXAMPLES, ids=str)
def test_an_id_is_its_text_wherever_text_is_used(identifier: str, text: str) -> None:
    assert identifier == text
    assert hash(identifier) == hash(text)
    assert {text: 1}[identifier] == 1
    assert f"{identifier}" == str(identifier) == text
    assert json.dumps({identifier: identifier}) == json.dumps({text: text})
    assert repr(identifier) == repr(text)


@pytest.mark.parametrize(("identifier", "text"), EXAMPLES, ids=str)
def test_the_key_of_an_identifier_is_plain_text_and_makes_it_again(identifier: Any, text: str) -> None:
    assert identifier.key == text
    assert type(identifier.key) is str
    if not isinstance(identifier, InvocationId):
        again = type(identifier).from_key(identifier.key)
        assert (again, vars(again)) == (identifier, vars(identifier))


@pytest.mark.parametrize(("identifier", "text"), EXAMPLES, ids=str)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_and_copies_know_their_parts(identifier: Any, text: str, protocol: int) -> None:
    for again in (pickle.loads(pickle.dumps(identifier, protocol)), copy.copy(identifier), copy.deepcopy(identifier)):
        assert type(again) is type(identifier)
        assert again == text
        assert vars(again) == vars(identifier)


@pytest.mark.parametrize(
    ("identifier", "module", "function"),
    [
        (TaskId("shop.jobs", "pay"), "shop.jobs", "pay"),
        (TaskId("shop.jobs.pay"), "shop.jobs", "pay"),
        (TaskId("pay"), "", "pay"),
        (TaskId("__main__", "pay"), "__main__", "pay"),
        (TaskId("läden", "zähle"), "läden", "zähle"),
    ],
    ids=str,
)
def test_a_task_id_is_split_at_its_last_dot(identifier: TaskId, module: str, function: str) -> None:
    assert (identifier.module, identifier.func_name) == (module, function)
    assert identifier.config_key == f"{module}#{function}"


def test_a_call_id_is_split_at_its_last_colon_and_has_a_task_id() -> None:
    for identifier in (CallId("shop.jobs.pay:abc"), CallId(TaskId("shop.jobs", "pay"), "abc")):
        assert type(identifier.task_id) is TaskId
        assert (identifier.task_id.module, identifier.task_id.func_name) == ("shop.jobs", "pay")
        assert identifier.args_id == "abc"


def test_a_task_id_that_is_given_stays_the_same_object() -> None:
    task = TaskId("shop", "pay")
    assert CallId(task, "abc").task_id is task
