"""Cancelling, wherever the invocation is: in the queue, running, waiting, finished."""

from __future__ import annotations

from typing import Any

import pytest
from support import flags
from support.waiting import wait_until
from support.worlds import World

from pynenc.exceptions import InvocationCancelledError
from pynenc.invocation import InvocationStatus


def _cancelled(invocation: Any) -> str:
    with pytest.raises(InvocationCancelledError) as raised:
        invocation.get_result(timeout=60)
    assert invocation.status is InvocationStatus.CANCELLED
    return str(raised.value)


def _history(world: World, invocation: Any) -> list[str]:
    return [str(entry.status) for entry in world.app.state_backend.get_history(invocation.invocation_id)]


def test_a_queued_invocation_is_withdrawn_and_a_finished_one_stays(world: World) -> None:
    queued = world.jobs.basics.add(1, 2)
    assert queued.cancel()
    assert not queued.cancel()
    assert "withdrawn" in _cancelled(queued)
    world.start()
    finished = world.jobs.basics.add(1, 2)
    assert finished.result == 3
    assert not finished.cancel()
    assert finished.status is InvocationStatus.SUCCESS


def test_a_body_that_runs_is_interrupted_and_its_slot_comes_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # By a beat alone it would take too long.
    monkeypatch.setenv("PYNENC__LEASE_SEC", "600")
    world.start(slots=1)
    cancels = world.jobs.cancels
    for number, task in enumerate((cancels.spin, cancels.sleep_for_ever)):
        invocation = task(f"body{number}")
        flags.await_flag(f"body{number}-runs")
        assert invocation.cancel()
        assert _cancelled(invocation).endswith("ended as cancelled: its body was interrupted")
        flags.await_flag(f"body{number}-cleaned-up")
        assert _history(world, invocation) == ["registered", "pending", "running", "cancelled"]
    assert world.jobs.basics.add(1, 1).get_result(timeout=60) == 2


def test_a_body_may_finish_nevertheless_but_does_not_run_again(world: World) -> None:
    world.start(slots=2)
    finishes, retries = world.jobs.cancels.finish_anyway("finishes"), world.jobs.cancels.want_a_retry("retries")
    for invocation, name in ((finishes, "finishes"), (retries, "retries")):
        flags.await_flag(f"{name}-runs")
        assert invocation.cancel()
    assert finishes.get_result(timeout=60) == "finished anyway"
    assert "not run again" in _cancelled(retries)


def test_a_body_that_waits_is_interrupted_and_what_it_waits_for_goes_on(world: World) -> None:
    world.start(slots=1)
    cancels = world.jobs.cancels
    task = cancels.wait_for_in_a_coroutine if world.runner_kind.name == "async" else cancels.wait_for
    invocation = task("gate")
    child = world.app.state_backend.get_invocation(flags.await_flag("gate-waits"))
    wait_until(lambda: invocation.status is InvocationStatus.PAUSED)
    assert invocation.cancel()
    assert _cancelled(invocation).endswith("its body was interrupted")
    flags.raise_flag("gate", "open")
    assert child.get_result(timeout=60) == "open"
    assert world.jobs.basics.add(1, 1).get_result(timeout=60) == 2


def test_a_body_that_does_not_stop_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__CANCEL_GRACE_SEC", "0.3")
    world.start(slots=1)
    killed = world.runner_kind.name in ("persistent_process", "multi_thread", "process")
    invocation = world.jobs.cancels.do_not_stop("stubborn")
    flags.await_flag("stubborn-runs")
    assert invocation.cancel()
    assert _cancelled(invocation).endswith(
        "it did not stop within 0.3 s after it was cancelled: "
        + ("its process was killed" if killed else "it is abandoned")
    )
    flags.await_flag("stubborn-swallowed")
    if world.runner_kind.name != "user":
        # It counts its slots itself.
        assert world.jobs.basics.add(1, 1).get_result(timeout=60) == 2
    flags.raise_flag("stubborn")
    assert world.jobs.basics.add(1, 1).get_result(timeout=60) == 2
    assert _history(world, invocation) == ["registered", "pending", "running", "cancelled"]


def test_a_body_can_cancel_what_it_has_called(world: World) -> None:
    world.start(slots=2)
    assert world.jobs.cancels.cancel_a_child().get_result(timeout=60) == "InvocationCancelledError 2"


def test_a_runner_that_dies_takes_what_was_cancelled_with_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handed back at a stop, it would run again; cancelled, it does not."""
    monkeypatch.setenv("PYNENC__STOP_GRACE_SEC", "0.2")
    monkeypatch.setenv("PYNENC__CANCEL_GRACE_SEC", "600")
    world.start(slots=1)
    invocation = world.jobs.cancels.do_not_stop("stubborn")
    flags.await_flag("stubborn-runs")
    assert invocation.cancel()
    flags.await_flag("stubborn-swallowed")
    if world.runner_kind.name == "user":
        # It waits for its bodies, however long they take.
        flags.raise_flag("stubborn")
        assert invocation.get_result(timeout=60) == "too late"
        return
    world.stop()
    assert "not run again" in _cancelled(invocation)
    flags.raise_flag("stubborn")
