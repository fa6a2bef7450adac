"""An invocation in the store, seen from a client: its attributes, and each of its possible ends."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support.waiting import wait_until
from support.worlds import STORES, load_jobs, set_environment

from pynenc import _core
from pynenc._engine import calls
from pynenc._wait import threads as _wait
from pynenc.exceptions import (
    InvocationAbandonedError,
    InvocationCancelledError,
    InvocationConcurrencyControlledError,
    InvocationConcurrencyWithDifferentArgumentsError,
    InvocationError,
    InvocationExpiredError,
    InvocationNotFoundError,
    InvocationTimeoutError,
    RunnerError,
)
from pynenc.invocation import DistributedInvocation, InvocationStatus, ReusedInvocation


@pytest.fixture(params=STORES, ids=lambda kind: kind.name)
def jobs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Any]:
    set_environment(monkeypatch, tmp_path, request.param)
    jobs = load_jobs()
    yield jobs
    jobs.app._runtime.store.close()


def run_all(jobs: Any) -> None:
    """Run everything that is due, here."""
    while work := list(jobs.app.orchestrator.get_invocations_to_run(10)):
        for invocation in work:
            invocation.run()


def test_an_invocation_object_reads_nothing_and_compares_by_its_id(jobs: Any) -> None:
    unknown = DistributedInvocation(jobs.app, _core.new_invocation_id())
    same = DistributedInvocation(jobs.app, unknown.invocation_id)
    assert unknown == same
    assert hash(unknown) == hash(same)
    assert unknown != DistributedInvocation(jobs.app, _core.new_invocation_id())
    assert unknown != str(unknown.invocation_id)
    assert str(unknown.invocation_id) in repr(unknown)


def test_an_invocation_of_another_process_is_read_from_the_store(jobs: Any) -> None:
    invocation = DistributedInvocation(jobs.app, str(jobs.basics.add(1, 2).invocation_id))
    assert invocation.task is jobs.basics.add
    assert invocation.arguments.kwargs == {"a": 1, "b": 2}
    assert invocation.call_id == jobs.basics.add(1, 2).call_id
    assert (invocation.num_retries, invocation.depth, invocation.parent_invocation) == (0, 0, None)


def test_the_result_is_decoded_once_and_stays_after_the_store_forgot_it(jobs: Any) -> None:
    invocation = jobs.basics.shapes(1, 2, 3, keyword={"x": 1}, more=5)
    run_all(jobs)
    assert invocation.result == [1, 2, [3], {"x": 1}, {"more": 5}]
    jobs.app.purge()
    assert invocation.result is invocation.result is invocation.get_final_result()
    assert invocation.status is InvocationStatus.SUCCESS


def test_a_result_of_none_is_a_result(jobs: Any) -> None:
    invocation = jobs.basics.nothing()
    run_all(jobs)
    assert invocation.result is None


def test_the_exception_of_the_task_is_raised_each_time_with_the_remote_traceback_as_a_note(jobs: Any) -> None:
    invocation = jobs.faults.raise_value_error("wrong")
    run_all(jobs)
    for _ in range(2):
        with pytest.raises(ValueError, match="wrong") as raised:
            _ = invocation.result
        assert any("raise_value_error" in note for note in raised.value.__notes__)
    assert invocation.status is InvocationStatus.FAILED


def test_a_timeout_says_so_and_the_invocation_goes_on(jobs: Any) -> None:
    invocation = jobs.basics.add(1, 2)
    for seconds in (0, 0.01, -5):
        with pytest.raises(InvocationTimeoutError, match=str(invocation.invocation_id)) as raised:
            invocation.get_result(timeout=seconds)
        assert isinstance(raised.value, TimeoutError)
    with pytest.raises(InvocationError, match="not finished"):
        invocation.get_final_result()
    run_all(jobs)
    assert invocation.get_result(timeout=0) == 3


def test_a_waiting_client_is_woken_by_the_end(jobs: Any) -> None:
    invocation = jobs.basics.add(1, 2)
    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.append(invocation.get_result(timeout=60)))
    waiting.start()
    run_all(jobs)
    waiting.join(60)
    assert found == [3]


def test_a_cancelled_invocation_raises_a_cancelled_error(jobs: Any) -> None:
    invocation = jobs.basics.add(1, 2)
    assert invocation.cancel()
    with pytest.raises(InvocationCancelledError):
        _ = invocation.result
    assert invocation.status is InvocationStatus.CANCELLED


def test_an_invocation_dropped_by_concurrency_control_raises_a_key_error(jobs: Any) -> None:
    controls = jobs.controls
    first, second = controls.one_or_drop("a"), controls.one_or_drop("b")
    held = next(jobs.app.orchestrator.get_invocations_to_run(1))
    assert list(jobs.app.orchestrator.get_invocations_to_run(1)) == []
    dropped = second if held == first else first
    with pytest.raises(InvocationConcurrencyControlledError):
        _ = dropped.result
    with pytest.raises(KeyError):
        _ = dropped.result
    assert dropped.status is InvocationStatus.CONCURRENCY_CONTROLLED_FINAL


def test_an_invocation_that_the_engine_abandons_says_why(jobs: Any) -> None:
    invocation = jobs.basics.add(1, 2)
    store = jobs.app._runtime.store
    assert store.claim("a runner that dies", 1, lease_sec=0.01, begin=True)
    wait_until(lambda: store.recover(max_recoveries=0)[1] == [invocation.invocation_id])
    with pytest.raises(InvocationAbandonedError, match="runner died"):
        _ = invocation.result


@pytest.mark.parametrize("invocation_id", ["", "nonsense", "00000000-0000-0000-0000-000000000000"])
def test_text_that_is_no_id_is_not_found(jobs: Any, invocation_id: str) -> None:
    invocation = DistributedInvocation(jobs.app, invocation_id)
    for ask in (
        lambda: invocation.status,
        lambda: invocation.result,
        lambda: invocation.task,
        lambda: invocation.num_retries,
        invocation.get_final_result,
    ):
        with pytest.raises(InvocationNotFoundError):
            ask()


def test_an_unknown_id_is_not_found_and_one_older_than_results_are_kept_has_expired(
    jobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    invocation = jobs.basics.add(1, 2)
    jobs.app.purge()
    for ask in (lambda: invocation.status, lambda: invocation.result, lambda: invocation.num_retries):
        with pytest.raises(InvocationNotFoundError, match=str(invocation.invocation_id)) as raised:
            ask()
        assert not isinstance(raised.value, InvocationExpiredError)
    monkeypatch.setattr(calls, "invocation_age_sec", lambda invocation_id: jobs.app.conf.result_ttl_sec + 1)
    with pytest.raises(InvocationExpiredError, match="result_ttl_sec"):
        _ = invocation.result


def test_a_pickle_carries_the_id_and_the_claim(jobs: Any) -> None:
    invocation = jobs.basics.add(1, 2)
    again = pickle.loads(pickle.dumps(invocation))
    assert again == invocation
    assert again.app is jobs.app
    held = next(jobs.app.orchestrator.get_invocations_to_run(1))
    carried = pickle.loads(pickle.dumps(held))
    carried.run()
    assert invocation.result == 3


def test_running_an_unclaimed_invocation_is_refused(jobs: Any) -> None:
    with pytest.raises(RunnerError, match="not claimed"):
        jobs.basics.add(1, 2).run()


def test_an_equal_call_in_the_queue_is_reused(jobs: Any) -> None:
    task = jobs.controls.once_per_task
    first, same, other = task(1), task(1), task(2)
    assert type(first) is DistributedInvocation
    assert isinstance(same, ReusedInvocation)
    assert isinstance(other, ReusedInvocation)
    assert first == same == other
    assert same.diff_arg is None
    assert other.diff_arg is not None
    assert other.diff_arg.kwargs == {"value": 2}
    assert other.arguments.kwargs == {"value": 1}
    run_all(jobs)
    assert type(task(3)) is DistributedInvocation


def test_key_arguments_decide_the_equality_of_calls(jobs: Any) -> None:
    task = jobs.controls.once_per_key
    assert task("a", 1) == task("a", 2) != task("b", 1)


def test_a_call_that_differs_beside_its_keys_is_refused_with_the_difference(jobs: Any) -> None:
    task = jobs.controls.once_per_key_or_error
    first = task("a", 1)
    assert task("a", 1) == first
    for call in (lambda: task("a", 2), lambda: task.parallelize([("b", 1), ("a", 2), ("c", 1)])):
        with pytest.raises(InvocationConcurrencyWithDifferentArgumentsError) as raised:
            call()
        assert raised.value.existing_invocation_id == first.invocation_id
        assert raised.value.new_call_id == f"{task.task_id}:{task.args('a', 2).args_id}"
        assert "value: registered 1, called with 2" in raised.value.diff
        assert "key:" not in raised.value.diff
    # Of the batch, nothing after the refused call.
    assert jobs.app.orchestrator.count_invocations() == 2


def test_a_client_of_a_memory_store_without_a_runner_is_told(memory_env: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_wait, "MEMORY_GRACE_SEC", 0.05)
    jobs = load_jobs()
    with pytest.raises(RunnerError, match="no runner runs in this process"):
        _ = jobs.basics.add(1, 2).result
    with pytest.raises(RunnerError, match="no runner runs in this process"):
        list(jobs.basics.add.parallelize([(1, 2)]).results)
    with pytest.raises(InvocationTimeoutError):
        jobs.basics.add(1, 2).get_result(timeout=0.01)
