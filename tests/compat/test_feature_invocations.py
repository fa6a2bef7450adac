"""Documented features of pynenc, one small test each: invocations, values, exceptions, components, context."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from pynenc import Pynenc, context
from pynenc.app_info import AppInfo
from pynenc.exceptions import (
    InvocationError,
    InvocationNotFoundError,
    InvocationStatusOwnershipError,
    InvocationStatusTransitionError,
    PynencError,
    TaskError,
)
from pynenc.invocation import DistributedInvocation, InvocationStatus
from pynenc.runner import RunnerContext
from pynenc.serializer import JsonPickleSerializer, JsonSerializable, JsonSerializer, PickleSerializer
from pynenc.testing import isolated
from pynenc.testing.app_test import AppTest

app = Pynenc("feature-invocations", {"store_url": "memory://"})


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Place(NamedTuple):
    street: str
    number: int


@dataclasses.dataclass
class Parcel:
    size: Size
    place: Place


class Stamp(JsonSerializable):
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def to_json(self) -> Any:
        return {"cents": self.cents}

    @classmethod
    def from_json(cls, data: Any) -> Stamp:
        return cls(data["cents"])


class LostError(Exception):
    def __init__(self, parcel: str, days: int) -> None:
        super().__init__(parcel, days)
        self.days = days


@app.task
def measure(size: Size) -> Parcel:
    return Parcel(size, Place("Main Street", 7))


@app.task
def frank(stamp: Stamp) -> Stamp:
    return Stamp(stamp.cents * 2)


@app.task
def lose(parcel: str) -> None:
    raise LostError(parcel, 3)


@app.task
def look() -> dict[str, Any]:
    runner = context.get_current_runner(app.app_id)
    invocation = context.get_dist_invocation_context(app.app_id)
    assert runner is not None
    assert invocation is not None
    found = context.get_runner_context(app.app_id)
    assert found is not None
    return {
        "app": getattr(context.get_current_app(), "app_id", ""),
        "runner": found.runner_cls,
        "invocation": str(invocation.invocation_id),
    }


@app.task
def add(x: int, y: int) -> int:
    return x + y


@pytest.fixture
def test() -> Iterator[AppTest]:
    with isolated(app) as made:
        yield made


def test_an_invocation_is_found_by_its_id(test: AppTest) -> None:
    made = add(1, 2)
    found = app.state_backend.get_invocation(str(made.invocation_id))
    assert isinstance(found, DistributedInvocation)
    assert (found, found.task, found.arguments.kwargs) == (made, add, {"x": 1, "y": 2})
    test.drain()
    assert found.result == 3
    with pytest.raises(InvocationNotFoundError):
        app.state_backend.get_invocation("00000000-0000-7000-8000-000000000000")


def test_a_result_that_is_not_there_yet_can_be_asked_for_without_waiting(test: AppTest) -> None:
    invocation: Any = add(1, 2)
    with pytest.raises(InvocationError):
        invocation.get_final_result()
    with pytest.raises(InvocationError):
        app.state_backend.get_result(invocation)
    test.drain()
    assert invocation.get_final_result() == app.state_backend.get_result(invocation) == 3


def test_the_history_has_every_status_its_time_and_its_runner(test: AppTest) -> None:
    invocation = add(1, 2)
    test.drain()
    history = app.state_backend.get_history(invocation)
    assert [entry.status for entry in history] == ["registered", "pending", "running", "success"]
    assert [entry.timestamp for entry in history] == sorted(entry.timestamp for entry in history)
    assert history[-1].status_record.status is InvocationStatus.SUCCESS
    assert history[-1].runner_context_id == history[-1].execution_context
    app.state_backend.wait_for_all_async_operations()


def test_statuses_know_their_successors() -> None:
    assert InvocationStatus.SUCCESS.is_final()
    assert InvocationStatus.REGISTERED.is_available_for_run()
    assert InvocationStatus.RUNNING.can_transition_to("paused")
    assert not InvocationStatus.SUCCESS.can_transition_to("running")
    assert InvocationStatus.FAILED in InvocationStatus.get_final_statuses()
    assert InvocationStatus.RETRY in InvocationStatus.get_available_for_run_statuses()
    assert InvocationStatus("success") == "success"


def test_invocations_are_counted_listed_and_filtered(test: AppTest) -> None:
    first, second, failed = add(1, 1), add(2, 2), lose("books")
    orchestrator = app.orchestrator
    assert orchestrator.count_invocations() == 3
    assert list(orchestrator.get_task_invocation_ids(add.task_id)) == [first.invocation_id, second.invocation_id]
    assert orchestrator.get_invocation_ids_paginated(limit=2, offset=1) == [second.invocation_id, failed.invocation_id]
    assert list(orchestrator.get_call_invocation_ids(second.call_id)) == [second.invocation_id]
    assert list(orchestrator.get_existing_invocations(add, {"x": "1"})) == [first.invocation_id]
    test.drain()
    assert orchestrator.count_invocations(add.task_id, [InvocationStatus.SUCCESS]) == 2
    assert orchestrator.filter_by_status([first, failed], "failed") == [failed.invocation_id]
    assert orchestrator.filter_final([first, failed]) == [first.invocation_id, failed.invocation_id]
    assert orchestrator.get_invocation_status(failed) is InvocationStatus.FAILED
    assert orchestrator.get_invocation_retries(first) == 0


def test_values_come_back_as_their_types(test: AppTest) -> None:
    parcel, stamp = measure(Size.LARGE), frank(Stamp(40))
    test.drain()
    assert parcel.result == Parcel(Size.LARGE, Place("Main Street", 7))
    assert stamp.result.cents == 80


def test_an_exception_comes_back_as_its_class_with_where_it_was_raised(test: AppTest) -> None:
    invocation = lose("books")
    test.drain()
    with pytest.raises(LostError) as raised:
        _ = invocation.result
    assert raised.value.days == 3
    assert "in lose" in "".join(raised.value.__notes__)
    assert isinstance(app.state_backend.get_exception(invocation), LostError)


@pytest.mark.parametrize("serializer", [JsonSerializer, PickleSerializer, JsonPickleSerializer])
def test_serializers_are_pairs_of_functions(serializer: Any) -> None:
    assert serializer.deserialize(serializer.serialize({"a": [1, 2.5, None, "ü"]})) == {"a": [1, 2.5, None, "ü"]}


def test_a_serializer_that_runs_code_is_chosen_in_code_and_warns() -> None:
    other = Pynenc("feature-pickles", {"store_url": "memory://", "serializer_cls": "PickleSerializer"})
    task = other.task(add.func)
    with pytest.warns(UserWarning, match="PickleSerializer"):
        assert other.orchestrator.route_call(_call(task)).arguments.kwargs == {"x": 1, "y": 2}


def _call(task: Any) -> Any:
    from pynenc.call import Call

    return Call(task, task.args(1, 2))


def test_a_body_knows_where_it_runs(test: AppTest) -> None:
    assert context.get_current_runner(app.app_id) is None
    assert context.get_or_create_runner_context(app.app_id).runner_cls == "ExternalRunner"
    invocation = look()
    test.drain()
    found = invocation.result
    assert (found["app"], found["invocation"]) == (app.app_id, invocation.invocation_id)
    assert found["runner"].endswith("Runner")


def test_a_runner_context_nests_and_travels() -> None:
    parent = RunnerContext("ThreadRunner", "r1")
    child = parent.new_child_context("ThreadWorker")
    assert (child.root_runner_id, child.parent_ctx) == ("r1", parent)
    assert RunnerContext.from_json(child.to_json()) == child


def test_an_app_is_described_and_found_by_its_description() -> None:
    info = AppInfo.from_app(app)
    assert (info.app_id, info.module, info.app_variable) == (app.app_id, __name__, "app")
    assert AppInfo.from_json(info.to_json()) == info
    assert Pynenc.from_info(info) is app


def test_the_broker_hands_out_and_takes_back(test: AppTest) -> None:
    made = add(1, 2)
    claimed = app.broker.retrieve_invocation()
    assert claimed == made.invocation_id
    assert app.broker.retrieve_invocation() is None
    app.broker.route_invocation(claimed)
    assert app.broker.count_invocations() == 1
    again = app.broker.retrieve_invocation("default")
    assert again is not None
    app.state_backend.get_invocation(again).run()
    assert made.result == 3


def test_an_owner_sets_statuses_results_and_exceptions(test: AppTest) -> None:
    for value in (3, LostError("books", 1)):
        made: Any = add(1, 2)
        [owned] = app.orchestrator.get_invocations_to_run(1)
        app.orchestrator.set_invocation_status(owned, InvocationStatus.RUNNING)
        with pytest.raises(InvocationStatusOwnershipError):
            app.orchestrator.set_invocation_status(made, InvocationStatus.PAUSED)
        with pytest.raises(InvocationStatusTransitionError):
            app.orchestrator.set_invocation_status(owned, InvocationStatus.SUCCESS)
        if isinstance(value, Exception):
            app.orchestrator.set_invocation_exception(owned, value)
            assert made.status is InvocationStatus.FAILED
        else:
            app.orchestrator.set_invocation_result(owned, value)
            assert made.result == value
    retried = add(5, 5)
    [owned] = app.orchestrator.get_invocations_to_run(1)
    app.orchestrator.set_invocation_status(owned, InvocationStatus.RUNNING)
    app.orchestrator.set_invocation_retry(owned, ConnectionError("later"))
    assert retried.status is InvocationStatus.RETRY


def test_an_invocation_that_is_waited_for_is_preferred(test: AppTest) -> None:
    caller = add(0, 0)
    [owned] = app.orchestrator.get_invocations_to_run(1)
    app.orchestrator.set_invocation_status(owned, InvocationStatus.RUNNING)
    context.swap_dist_invocation_context(app.app_id, owned)
    try:
        other, wanted = add(1, 1), add(2, 2)
    finally:
        context.swap_dist_invocation_context(app.app_id, None)
    app.orchestrator.waiting_for_results(owned, [wanted])
    assert caller.status is InvocationStatus.PAUSED
    blocking = list(app.orchestrator.get_blocking_invocations(10))
    assert set(blocking) == {other.invocation_id, wanted.invocation_id}
    [first] = app.orchestrator.get_invocations_to_run(1)
    assert first.invocation_id == wanted.invocation_id


def test_a_purge_removes_every_invocation(test: AppTest) -> None:
    made = add(1, 2)
    app.purge()
    assert app.orchestrator.count_invocations() == 0
    with pytest.raises(InvocationNotFoundError):
        _ = made.status


def test_errors_travel_as_json() -> None:
    error = TaskError("shop.tasks.pay", "it cannot be found")
    text = error.to_json()
    again = PynencError.from_json("TaskError", text)
    assert isinstance(again, TaskError)
    assert (str(again), again.task_id) == (str(error), error.task_id)
    assert isinstance(json.loads(text), dict)


def test_values_pass_the_client_data_store() -> None:
    store = app.client_data_store
    texts = store.serialize_arguments({"a": 1, "b": "x" * 5000})
    assert store.deserialize_arguments(texts) == {"a": 1, "b": "x" * 5000}
    store.purge()
