"""Dev mode: calls run here and now, and everything travels as it would through a store."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from support.worlds import load_jobs

from pynenc import Pynenc
from pynenc.exceptions import (
    InvocationCancelledError,
    InvocationNotFoundError,
    PayloadTooLargeError,
    RemoteError,
    SerializationError,
)
from pynenc.invocation import ConcurrentInvocation, DistributedInvocation


@pytest.fixture
def jobs(memory_env: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYNENC__DEV_MODE_FORCE_SYNC_TASKS", "true")
    return load_jobs()


def test_a_call_that_nobody_waits_for_runs(jobs: Any) -> None:
    dev = jobs.dev
    dev.seen.clear()
    dev.record("sync")
    dev.record_later("coroutine")
    dev.record.parallelize([("a",), ("b",)])
    dev.fail_with("Known")
    assert dev.seen == ["sync", "coroutine", "a", "b", "Known"]


def test_on_an_event_loop_a_coroutine_runs_on_that_loop_and_any_other_body_before_the_call_returns(jobs: Any) -> None:
    dev = jobs.dev
    dev.seen.clear()

    async def main() -> list[Any]:
        dev.record("sync")
        assert dev.seen == ["sync"]
        for invocation in (dev.record_later("one"), await dev.record_later.submit("two")):
            assert invocation.status == "running"
        third = await dev.record.submit("three")
        assert await dev.own_loop() == 1
        group = await dev.record_later.submit_many([("four",), ("five",)])
        assert [result async for result in group.async_results()] == ["four", "five"]
        assert (await dev.loop_of()) == id(asyncio.get_running_loop())
        return [third.status]

    assert asyncio.run(main()) == ["success"]
    assert sorted(dev.seen) == ["five", "four", "one", "sync", "three", "two"]


def test_arguments_results_and_exceptions_are_copies_as_from_a_store(jobs: Any) -> None:
    dev = jobs.dev
    given = [1, 2]
    invocation = dev.append(given, 3)
    assert (given, invocation.result) == ([1, 2], [1, 2, 3])
    assert invocation.result is invocation.result
    assert invocation.result is not dev.appended[-1]
    with pytest.raises(SerializationError, match=r"append, at items\[1\]"):
        dev.append([1, (2,)], 3)
    with pytest.raises(SerializationError, match="Expected `array`, got `str`"):
        dev.append("text", 3)
    with pytest.raises(PayloadTooLargeError):
        dev.record("x" * (9 * 1024 * 1024))
    with pytest.raises(SerializationError, match=r"the result of task .*tuple"):
        _ = dev.returns_a_tuple().result
    with pytest.raises(dev.Known, match="Known") as raised:
        _ = dev.fail_with("Known").result
    assert isinstance(raised.value.__cause__, dev.Known)
    with pytest.raises(RemoteError, match="Hidden"):
        _ = dev.fail_with("Hidden").result


def test_a_signed_app_signs_in_dev_mode_too(memory_env: None) -> None:
    jobs = load_jobs()
    app = Pynenc(
        "signed-dev", {"signing_keys": ["new:" + "x" * 32], "dev_mode_force_sync_tasks": True, "store_url": "memory://"}
    )
    assert app.task(jobs.dev.append.func)([1], 2).result == [1, 2]


def test_invocations_are_found_by_id(jobs: Any) -> None:
    dev, app = jobs.dev, jobs.app
    invocation = dev.append([1], 2)
    failed = dev.fail_with("Known")
    wanted = str(invocation.invocation_id)
    del invocation
    assert app.state_backend.get_invocation(wanted).result == [1, 2]
    assert app.state_backend.get_result(wanted) == [1, 2]
    assert app.orchestrator.get_invocation_status(wanted) == "success"
    assert isinstance(app.state_backend.get_exception(failed), dev.Known)
    assert dev.append.get_invocation(wanted).result == [1, 2]
    assert asyncio.run(_find(dev.append, wanted)) == [1, 2]
    for lookup in (dev.record.get_invocation, app.state_backend.get_invocation):
        with pytest.raises(InvocationNotFoundError):
            lookup("01a22f2e-cbe2-7000-b370-4ef5e29202c5" if lookup != dev.record.get_invocation else wanted)


def test_views_read_the_invocations_of_this_process(jobs: Any) -> None:
    dev, app = jobs.dev, jobs.app
    first, second = dev.append([1], 2), dev.append([3], 4)
    failed = dev.fail_with("Known")
    orchestrator, task_id = app.orchestrator, dev.append.task_id
    assert orchestrator.count_invocations() == 3
    assert orchestrator.count_invocations(task_id, ["success"]) == 2
    assert orchestrator.count_invocations(statuses="failed") == 1
    assert list(orchestrator.get_task_invocation_ids(task_id)) == [first.invocation_id, second.invocation_id]
    assert orchestrator.get_invocation_ids_paginated(limit=1, offset=1) == [second.invocation_id]
    assert list(orchestrator.get_call_invocation_ids(second.call)) == [second.invocation_id]
    assert list(orchestrator.get_existing_invocations(dev.append, {"items": "[3]"})) == [second.invocation_id]
    assert orchestrator.filter_by_status([first, failed], ["failed"]) == [failed.invocation_id]
    assert orchestrator.filter_final([first, failed]) == [first.invocation_id, failed.invocation_id]
    assert app.broker.count_invocations() == 0
    outer = dev.call_append()
    [child] = app.state_backend.get_child_invocations(outer)
    assert app.state_backend.get_invocation(child).result == outer.result
    app.purge()
    assert orchestrator.count_invocations() == 0


def test_the_history_is_that_of_a_runner(jobs: Any) -> None:
    backend = jobs.app.state_backend
    retried = backend.get_history(jobs.dev.fail_at_first(1))
    begun = ["registered", "pending", "running"]
    assert [str(entry.status) for entry in retried] == [*begun, "retry", "pending", "running", "success"]
    assert retried[-1].started == retried[-2].timestamp
    failed = backend.get_history(jobs.dev.fail_with("Known").invocation_id)
    assert [str(entry.status) for entry in failed] == [*begun, "failed"]
    with pytest.raises(InvocationNotFoundError):
        backend.get_history("01a22f2e-cbe2-7000-b370-4ef5e29202c5")


@pytest.mark.parametrize("name", ["fail_with", "fail_in_a_coroutine"])
def test_tracebacks_begin_in_the_code_of_the_body(jobs: Any, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    invocation = getattr(jobs.dev, name)("Known")
    logged = capfd.readouterr().err
    assert "support/jobs/dev.py" in logged
    assert "pynenc/invocation" not in logged
    with pytest.raises(jobs.dev.Known) as raised:
        _ = invocation.result
    cause = raised.value.__cause__
    assert cause is not None
    assert cause.__traceback__.tb_frame.f_code.co_filename == jobs.dev.__file__


async def _find(task: Any, invocation_id: str) -> Any:
    return (await task.find(invocation_id)).result


def test_an_invocation_travels_to_another_body(jobs: Any) -> None:
    inner = jobs.dev.append([1], 2)
    assert isinstance(inner, DistributedInvocation)
    assert type(inner) is ConcurrentInvocation
    assert jobs.dev.result_of(inner).result == [1, 2]


def test_a_waiting_invocation_can_be_cancelled_and_a_finished_one_cannot(jobs: Any) -> None:
    dev = jobs.dev
    assert dev.append([1], 2).cancel() is False
    dev.seen.clear()

    async def main() -> None:
        invocation = dev.record_later("never")
        assert invocation.cancel() is True
        with pytest.raises(InvocationCancelledError, match="cancelled"):
            await invocation
        assert invocation.status == "cancelled"
        assert invocation.cancel() is False
        running = dev.wait_for_ever()
        while not dev.waiting:
            await asyncio.sleep(0)
        assert running.cancel() is True
        with pytest.raises(InvocationCancelledError):
            await running

    asyncio.run(main())
    assert dev.seen == []


def test_a_keyboard_interrupt_in_a_body_is_raised_at_the_call(jobs: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        jobs.dev.interrupt()


def test_a_failure_that_nobody_asks_for_is_logged(jobs: Any, capfd: pytest.CaptureFixture[str]) -> None:
    jobs.dev.fail_with("Known")
    assert "failed: Known" in capfd.readouterr().err


def test_an_omitted_argument_stays_omitted_in_dev_mode(jobs: Any) -> None:
    assert jobs.decorated.measured(1).result == "1 from the decorator"
    assert jobs.decorated.in_session("orders").result == ["session", "orders", 10]
    assert threading.active_count() >= 1
