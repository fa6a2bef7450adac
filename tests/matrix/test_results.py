"""Values and failures come back unchanged."""

from __future__ import annotations

import time

import pytest
from support import flags
from support.ledger import Ledger
from support.worlds import World

from pynenc.exceptions import InvocationError
from pynenc.invocation import DistributedInvocation, InvocationStatus


def test_a_result_is_what_the_function_returns(running: World) -> None:
    assert running.jobs.basics.add(1, 2).result == 3
    assert running.jobs.basics.add(a=1, b=2).result == 3
    assert running.jobs.basics.nothing().result is None


def test_every_kind_of_parameter_arrives_where_python_would_put_it(running: World) -> None:
    shapes = running.jobs.basics.shapes
    assert shapes(1, keyword=5).result == [1, 2, [], 5, {}]
    assert shapes(1, 3, 4, 5, keyword=6, more=7, first=8).result == [1, 3, [4, 5], 6, {"more": 7, "first": 8}]


def test_a_result_can_be_read_many_times_and_from_another_handle(running: World) -> None:
    invocation = running.jobs.basics.add(4, 5)
    again = DistributedInvocation(running.app, invocation.invocation_id)
    assert [invocation.result, invocation.result, again.result, again.get_final_result()] == [9, 9, 9, 9]
    assert again.status is InvocationStatus.SUCCESS


def test_a_failure_raises_the_tasks_own_exception_with_its_remote_traceback(running: World) -> None:
    invocation = running.jobs.faults.raise_value_error("bad luck")
    with pytest.raises(ValueError) as raised:
        invocation.result
    assert raised.value.args == ("bad luck",)
    assert any("raise_value_error" in note for note in raised.value.__notes__)
    assert invocation.status is InvocationStatus.FAILED


def test_a_stop_iteration_of_a_body_ends_no_iterator_of_the_caller(running: World) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        running.jobs.faults.raise_stop_iteration().result
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(running.jobs.faults.raise_stop_iteration.parallelize([()] * 3).results)


def test_the_cause_of_a_failure_is_in_its_notes(running: World) -> None:
    with pytest.raises(ValueError, match="the effect") as raised:
        running.jobs.faults.raise_with_cause().result
    assert "the cause" in "\n".join(raised.value.__notes__)


def test_a_final_result_is_refused_before_the_end(world: World) -> None:
    invocation = world.jobs.basics.add(1, 1)
    assert invocation.status is InvocationStatus.REGISTERED
    with pytest.raises(InvocationError, match=invocation.invocation_id):
        invocation.get_final_result()


def test_get_result_gives_up_at_its_timeout_and_the_invocation_goes_on(running: World) -> None:
    invocation = running.jobs.basics.until("gate")
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        invocation.get_result(timeout=0.2)
    assert time.monotonic() - began >= 0.2
    flags.raise_flag("gate", "through")
    assert invocation.get_result(timeout=60) == "through"


def test_a_timeout_of_zero_looks_once(running: World) -> None:
    invocation = running.jobs.basics.add(1, 1)
    assert invocation.result == 2
    assert invocation.get_result(timeout=0) == 2
    held = running.jobs.basics.until("gate")
    with pytest.raises(TimeoutError):
        held.get_result(timeout=0)
    flags.raise_flag("gate")


def test_status_and_history_tell_the_life_of_an_invocation(running: World) -> None:
    invocation = running.jobs.basics.until("gate")
    flags.await_flag("gate-started")
    running.await_status(invocation, "running")
    assert invocation.status is InvocationStatus.RUNNING
    flags.raise_flag("gate")
    invocation.result
    history = running.app.state_backend.get_history(invocation.invocation_id)
    assert [str(entry.status) for entry in history] == ["registered", "pending", "running", "success"]
    times = [entry.timestamp for entry in history]
    assert times == sorted(times)


def test_the_client_counts_what_it_submitted(running: World) -> None:
    list(running.jobs.basics.add.parallelize([(1, n) for n in range(25)]).results)
    assert running.app.orchestrator.count_invocations() == 25
    assert running.app.orchestrator.count_invocations(statuses=[InvocationStatus.SUCCESS]) == 25
    assert running.app.broker.count_invocations() == 0


@pytest.mark.as_worker
def test_purge_forgets_everything(running: World) -> None:
    invocation = running.jobs.basics.add(1, 1)
    assert invocation.result == 2
    running.app.purge()
    assert running.app.orchestrator.count_invocations() == 0


def test_an_invocation_runs_once(running: World) -> None:
    tags = [f"tag-{n}" for n in range(50)]
    assert sorted(running.jobs.basics.note.parallelize([(tag,) for tag in tags]).results) == sorted(tags)
    assert sorted(event["tag"] for event in Ledger.of_environment().of_kind("run")) == sorted(tags)
