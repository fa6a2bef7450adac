"""A call: a task and its arguments, with an id and as data."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from support.worlds import load_jobs

from pynenc.call import Call
from pynenc.exceptions import SerializationError


@pytest.fixture
def jobs(memory_env: None) -> Any:
    return load_jobs()


def test_the_id_is_that_of_the_task_and_that_of_the_arguments(jobs: Any) -> None:
    call = Call(jobs.basics.add, jobs.basics.add.args(1, 2))
    assert call.call_id == f"support.jobs.basics.add:{call.args_id}"
    assert call.call_id.task_id == jobs.basics.add.task_id
    assert call == Call(jobs.basics.add, jobs.basics.add.args(b=2, a=1))
    assert call != Call(jobs.basics.add, jobs.basics.add.args(2, 1))
    assert Call(jobs.basics.nothing).call_id.args_id == "no_args"


def test_a_call_survives_json_and_pickle(jobs: Any) -> None:
    call = Call(jobs.basics.add, jobs.basics.add.args(1, 2))
    assert Call.from_json(jobs.app, call.to_json()) == call
    again = pickle.loads(pickle.dumps(call))
    assert again == call
    assert again.arguments.kwargs == {"a": 1, "b": 2}


def test_a_call_as_data_has_a_text_per_argument(jobs: Any) -> None:
    call = Call(jobs.basics.add, jobs.basics.add.args(1, 2))
    dto = call.to_dto()
    assert dto.call_id == call.call_id
    assert dto.serialized_arguments == {"a": "1", "b": "2"} == call.serialized_arguments


def test_stored_arguments_are_decoded_only_when_looked_at(jobs: Any) -> None:
    call = Call(jobs.basics.add, payload=b"\x01not json")
    assert call.task is jobs.basics.add
    with pytest.raises(SerializationError):
        _ = call.arguments
