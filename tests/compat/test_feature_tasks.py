"""Documented features of pynenc, one small test each: tasks, calls, options, groups, direct tasks, dev mode."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest

from pynenc import ConcurrencyControlType, Pynenc, Task
from pynenc.arguments import Arguments
from pynenc.exceptions import (
    InvalidTaskOptionsError,
    InvocationConcurrencyWithDifferentArgumentsError,
    RetryError,
)
from pynenc.identifiers import CallId, TaskId
from pynenc.invocation import ConcurrentInvocation, DistributedInvocation, InvocationStatus, ReusedInvocation
from pynenc.testing import isolated

app = Pynenc("feature-tasks", {"store_url": "memory://"})
seen: list[Any] = []


@app.task
def weigh(parcel: str, copies: int = 1) -> int:
    return len(parcel) * copies


@app.task
def weigh_all(parcels: list[str]) -> int:
    return sum(weigh.parallelize([(parcel,) for parcel in parcels]).results)


@app.task(max_retries=2, retry_for=(ConnectionError,))
def fetch(failures: int) -> int:
    seen.append(failures)
    if len(seen) <= failures:
        raise ConnectionError("the depot does not answer")
    return fetch.invocation.num_retries


@app.task(max_retries=1)
def always_again() -> None:
    raise RetryError("later")


@app.task
def label() -> str:
    label.logger.info("a label is printed")
    return str(label.invocation.invocation_id)


@app.task
async def scan(code: str) -> str:
    await asyncio.sleep(0)
    return code.upper()


@app.task(registration_concurrency=ConcurrencyControlType.TASK)
def sweep(room: str) -> str:
    return room


@app.task(registration_concurrency="arguments")
def dust(room: str) -> str:
    return room


@app.task(registration_concurrency="keys", key_arguments=("room",))
def paint(room: str, colour: str) -> str:
    return f"{room} {colour}"


@app.task(registration_concurrency="keys", key_arguments=("room",), on_diff_non_key_args_raise=True)
def repaint(room: str, colour: str) -> str:
    return f"{room} {colour}"


@app.task(running_concurrency="keys", key_arguments=("dock",), reroute_on_concurrency_control=True)
def load(dock: int, box: str) -> str:
    return box


@app.task(running_concurrency="task")
def unload() -> str:
    return "unloaded"


@app.task(queue="urgent", priority=10)
def rush(name: str) -> None:
    seen.append(name)


@app.task(priority=-5)
def idle(name: str) -> None:
    seen.append(name)


@app.task
def normal(name: str) -> None:
    seen.append(name)


@app.direct_task
def now(name: str) -> str:
    return f"now {name}"


@app.direct_task
async def soon(name: str) -> str:
    return f"soon {name}"


def _one_each(args: dict[str, Any]) -> Any:
    return {"unit": args["unit"]}, [{"amounts": [amount]} for amount in args["amounts"]]


@app.direct_task(parallel_func=_one_each, aggregate_func=sum)
def total(amounts: list[int], unit: int = 1) -> int:
    assert len(amounts) == 1
    return amounts[0] * unit


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    seen.clear()


def test_a_call_returns_an_invocation_and_its_result_waits() -> None:
    with isolated(app) as test:
        invocation = weigh("books", copies=2)
        assert isinstance(invocation, DistributedInvocation)
        assert invocation.status is InvocationStatus.REGISTERED
        test.drain()
        assert invocation.result == 10


def test_arguments_are_bound_at_the_call() -> None:
    wrong: Any = weigh
    for call in (lambda: wrong(), lambda: wrong("a", 1, 2), lambda: wrong(weight=1)):
        with pytest.raises(TypeError):
            call()
    assert weigh.args("a", copies=3).kwargs == {"parcel": "a", "copies": 3}


def test_a_task_calls_tasks_and_waits_for_them() -> None:
    with isolated(app) as test:
        invocation = weigh_all(["a", "bb", "ccc"])
        test.drain()
        assert invocation.result == 6
        [first, *_] = test.submitted(weigh)
        assert first.parent_invocation_id == invocation.invocation_id
        assert first.parent_invocation == invocation


@pytest.mark.parametrize(("failures", "outcome"), [(0, 0), (2, 2), (3, None)])
def test_listed_exceptions_are_retried_and_the_last_one_stands(failures: int, outcome: int | None) -> None:
    with isolated(app) as test:
        invocation = fetch(failures)
        test.drain()
        assert len(seen) == min(failures, 2) + 1
        if outcome is None:
            with pytest.raises(ConnectionError, match="the depot does not answer"):
                _ = invocation.result
        else:
            assert invocation.result == outcome


def test_a_retry_error_is_always_retried() -> None:
    assert always_again.retriable_exceptions == (RetryError,)
    assert fetch.retriable_exceptions == (RetryError, ConnectionError)
    with isolated(app) as test:
        invocation: Any = always_again()
        test.drain()
        assert invocation.num_retries == 1
        with pytest.raises(RetryError):
            _ = invocation.result


def test_a_body_knows_its_invocation_and_logs_under_it(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError):
        _ = label.invocation
    with isolated(app) as test:
        app.logger.propagate = True
        with caplog.at_level("INFO", app.logger.name):
            invocation = label()
            test.drain()
        assert invocation.result == invocation.invocation_id
        assert "a label is printed" in caplog.text


def test_a_coroutine_is_a_task_and_its_result_can_be_awaited() -> None:
    async def ask() -> str:
        return await scan("a1").async_result()

    async def ask_many() -> list[str]:
        return sorted([each async for each in scan.parallelize([("a",), ("b",)]).async_results()])

    with isolated(app, dev_mode_force_sync_tasks=True):
        assert asyncio.run(ask()) == "A1"
        assert asyncio.run(ask_many()) == ["A", "B"]


@pytest.mark.parametrize(
    "items", [[("a",), ("bb", 2)], [{"parcel": "a"}, {"parcel": "bb", "copies": 2}], ["args", "args"]]
)
def test_many_calls_are_made_from_tuples_dicts_or_arguments(items: Any) -> None:
    given = [weigh.args("a"), Arguments({"parcel": "bb", "copies": 2})] if items == ["args", "args"] else items
    with isolated(app) as test:
        group = weigh.parallelize(given)
        test.drain()
        assert group.task is weigh
        assert [invocation.arguments.kwargs["parcel"] for invocation in group] == ["a", "bb"]
        assert sorted(group.results) == [1, 4]
    assert list(weigh.parallelize([]).results) == []


def test_many_calls_share_arguments() -> None:
    with isolated(app) as test:
        group = weigh.parallelize([{"parcel": "a"}, {"parcel": "bb", "copies": 1}], {"copies": 3})
        test.drain()
        assert group.get_results() == [3, 2]
        with pytest.raises(ValueError, match="common_args"):
            weigh.parallelize([("a",)], {"copies": 3})


def test_the_size_of_batches_is_an_option() -> None:
    own = Pynenc("feature-batches", {"store_url": "memory://"})
    one_at_a_time: Task[..., int] = own.task(parallel_batch_size=0)(weigh.func)
    assert one_at_a_time.conf.parallel_batch_size == 0
    assert weigh.conf.parallel_batch_size == 100
    with isolated(own) as test:
        group = one_at_a_time.parallelize([("a",)] * 3)
        test.drain()
        assert group.get_results() == [1, 1, 1]


@pytest.mark.parametrize(("task", "other"), [(sweep, "kitchen"), (dust, "hall")])
def test_an_equal_call_that_waits_is_reused(task: Task[..., str], other: str) -> None:
    with isolated(app):
        first, second = task("hall"), task(other)
        assert isinstance(second, ReusedInvocation)
        assert second.invocation_id == first.invocation_id
    with isolated(app):
        assert not isinstance(dust("kitchen"), ReusedInvocation)
        assert not isinstance(dust("hall"), ReusedInvocation)


def test_calls_with_equal_keys_are_one_and_say_how_they_differ() -> None:
    with isolated(app):
        first, same, other = paint("hall", "red"), paint("hall", "blue"), paint("attic", "red")
        assert isinstance(same, ReusedInvocation)
        assert same.invocation_id == first.invocation_id
        assert same.diff_arg is not None
        assert same.diff_arg.kwargs["colour"] == "blue"
        assert other.invocation_id != first.invocation_id
        repaint("hall", "red")
        with pytest.raises(InvocationConcurrencyWithDifferentArgumentsError) as raised:
            repaint("hall", "blue")
        assert raised.value.existing_invocation_id


def test_running_concurrency_puts_off_or_drops() -> None:
    with isolated(app):
        first, second, other = load(1, "a"), load(1, "b"), load(2, "c")
        claimed = list(app.orchestrator.get_invocations_to_run(3))
        assert [each.invocation_id for each in claimed] == [first.invocation_id, other.invocation_id]
        for each in claimed:
            each.run()
        [put_off] = app.orchestrator.get_invocations_to_run(3)
        assert put_off.invocation_id == second.invocation_id
        put_off.run()
        assert second.result == "b"
    with isolated(app):
        unload()
        dropped = unload()
        assert len(list(app.orchestrator.get_invocations_to_run(3))) == 1
        assert dropped.status is InvocationStatus.CONCURRENCY_CONTROLLED_FINAL


def test_higher_priorities_go_first_and_queues_are_separate() -> None:
    assert (rush.broker_queue, rush.broker_priority, normal.broker_queue) == ("urgent", 10, "default")
    with isolated(app) as test:
        idle("idle")
        normal("first")
        normal("second")
        rush("rush")
        assert app.broker.count_invocations(["urgent"]) == 1
        assert app.broker.count_invocations() == 4
        test.drain()
        assert seen == ["rush", "first", "second", "idle"]


def test_a_direct_task_returns_the_result() -> None:
    with isolated(app, dev_mode_force_sync_tasks=True):
        assert now("kim") == "now kim"
        assert asyncio.run(soon("kim")) == "soon kim"
        assert total([1, 2, 3], unit=2) == 12
    assert now.__inner_function__("kim") == "now kim"
    assert isinstance(now.__pynenc_task__, Task)
    with pytest.raises(ValueError, match="aggregate_func"):
        app.direct_task(parallel_func=_one_each)(weigh.func)


def test_dev_mode_runs_the_body_in_the_caller() -> None:
    with isolated(app, dev_mode_force_sync_tasks=True) as test:
        invocation = weigh("abc")
        assert isinstance(invocation, ConcurrentInvocation)
        assert invocation.result == 3
        assert fetch(2).result == 2
        assert weigh_all(["a", "bb"]).result == 3
        assert test.submitted(weigh) == []


def test_a_callable_that_cannot_be_a_task_is_refused() -> None:
    def nested() -> None: ...

    for wrong in (nested, lambda: None, Room.enter):
        with pytest.raises(ValueError, match="cannot be a task"):
            app.task(wrong)
    main: Any = type(weigh.func)(weigh.func.__code__, {"__name__": "__main__"}, "weigh")
    with pytest.raises(RuntimeError, match="__main__"):
        app.task(main)
    options: Any = {"retries": 3}
    with pytest.raises(InvalidTaskOptionsError, match="max_retries"):
        app.task(**options)(weigh.func)


class Room:
    def enter(self) -> None: ...


def test_tasks_and_calls_have_readable_ids() -> None:
    assert isinstance(weigh.task_id, TaskId)
    assert (weigh.task_id.module, weigh.task_id.func_name) == (__name__, "weigh")
    assert weigh.task_id == weigh.task_id.key == f"{__name__}.weigh"
    with isolated(app):
        one, two, three = weigh("a"), weigh("a", 1), weigh("b")
        assert isinstance(one.call_id, CallId)
        assert (one.call_id.task_id, one.call_id == two.call_id) == (weigh.task_id, True)
        assert one.call_id != three.call_id
        assert one.invocation_id != two.invocation_id
    assert str(weigh) == "Task(func=weigh)"
    assert Arguments({}).args_id == "no_args"


def test_tasks_travel_by_their_id() -> None:
    own = Pynenc("feature-tasks-that-travel", {"store_url": "memory://"})
    task = own.task(weigh.func)
    assert pickle.loads(pickle.dumps(task)) is task
    assert Task.from_id(own, str(task.task_id)) is task
    assert Task.from_json(own, task.to_json()) is task
    assert own.get_task(task.task_id) is task
    assert task.task_id in own.tasks


def test_options_without_effect_are_accepted() -> None:
    own = Pynenc("feature-options", {"store_url": "memory://"})
    task = own.task(call_result_cache=True, disable_cache_args=("parcel",))(weigh.func)
    assert (task.conf.call_result_cache, task.conf.disable_cache_args) == (True, ("parcel",))
    with pytest.warns(DeprecationWarning, match="parallel_batch_size"):
        own.task(auto_parallel_batch_size=5)(weigh.func)
