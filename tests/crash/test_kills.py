"""Runners that die, freeze, or are stopped in the middle of the work."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest
from support import flags
from support.processes import Processes, freeze
from support.waiting import wait_until
from support.worlds import load_jobs

LEASE_SEC = 2.0
SWEEP_SEC = LEASE_SEC / 2


@pytest.fixture
def jobs(shared_env: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The tasks, on a store where a claim outlives its runner by two seconds at most."""
    monkeypatch.setenv("PYNENC__LEASE_SEC", str(LEASE_SEC))
    return load_jobs()


def _start_held(processes: Processes, jobs: Any, name: str, **environment: str) -> tuple[Any, Any]:
    """Start a runner with one body that waits for the flag `name`; return both."""
    runner = processes.runner(**environment)
    invocation = jobs.basics.until(name)
    assert flags.await_flag(f"{name}-started") == str(runner.pid)
    return runner, invocation


def _statuses(jobs: Any, invocation: Any) -> list[str]:
    return [str(entry.status) for entry in jobs.app.state_backend.get_history(invocation.invocation_id)]


def test_after_kill_9_another_runner_finishes_the_invocation_within_lease_and_sweep(
    processes: Processes, jobs: Any
) -> None:
    victim, invocation = _start_held(processes, jobs, "gate")
    processes.started_runner()
    killed_at = time.time()
    victim.send(signal.SIGKILL)
    flags.raise_flag("gate", "by the second")
    assert invocation.get_result(timeout=60) == "by the second"
    history = jobs.app.state_backend.get_history(invocation.invocation_id)
    assert "running_recovery" in _statuses(jobs, invocation)
    recovered = next(entry for entry in history if str(entry.status) == "running_recovery")
    since_kill = recovered.timestamp.timestamp() - killed_at
    # Twice the sweep: a sweep may have begun just before the lease ended, on a machine with much else to do.
    assert since_kill < LEASE_SEC + 2 * SWEEP_SEC
    assert flags.flag_text("gate-started") != str(victim.pid)


def test_a_waiting_invocation_of_a_killed_runner_is_recovered_too(processes: Processes, jobs: Any) -> None:
    victim = processes.runner(PYNENC__CONFIGRUNNER__QUEUES="default")
    target = jobs.waits.never()
    waiter = jobs.waits.wait_in_process(target, "waiter")
    flags.await_flag("waiter")
    wait_until(lambda: str(waiter.status) == "paused")
    victim.send(signal.SIGKILL)
    processes.runner()
    assert waiter.get_result(timeout=60) == 0


def test_a_frozen_runner_cannot_write_after_another_one_took_over(processes: Processes, jobs: Any) -> None:
    frozen, invocation = _start_held(processes, jobs, "gate")
    freeze([frozen.pid], jobs.app.conf.store_url)
    second = processes.runner()
    flags.raise_flag("gate-started", "")
    wait_until(lambda: flags.flag_text("gate-started") == str(second.pid), "the body runs a second time")
    second_value = "by the second"
    flags.raise_flag("gate", second_value)
    assert invocation.get_result(timeout=60) == second_value
    before = _statuses(jobs, invocation)
    # The frozen body reads the flag when it continues, so its return value differs from the recorded one.
    flags.raise_flag("gate", "by the frozen one, too late")
    frozen.send(signal.SIGCONT)
    frozen.await_output(invocation.invocation_id)
    canary = jobs.basics.whoami.parallelize([() for _ in range(20)])
    assert set(canary.results) <= {frozen.pid, second.pid}
    frozen.send(signal.SIGTERM)
    assert frozen.wait() == 0
    assert _statuses(jobs, invocation) == before
    assert before.count("success") == 1
    assert load_jobs().app.state_backend.get_result(invocation.invocation_id) == second_value


def test_sigterm_lets_a_running_body_finish(processes: Processes, jobs: Any) -> None:
    runner, invocation = _start_held(processes, jobs, "gate")
    runner.send(signal.SIGTERM)
    runner.await_output("bodies have up to")
    queued = jobs.basics.add(1, 1)
    flags.raise_flag("gate", "finished")
    assert runner.wait() == 0
    assert invocation.get_final_result() == "finished"
    assert str(queued.status) == "registered"


def test_sigterm_ends_a_runner_whose_body_has_left_a_thread_that_does_not_end(processes: Processes, jobs: Any) -> None:
    runner = processes.runner(PYNENC__STOP_GRACE_SEC="0.3")
    invocation = jobs.faults.leave_a_thread_behind("gate")
    flags.await_flag("gate")
    runner.send(signal.SIGTERM)
    assert runner.wait(30) == 0
    assert str(invocation.status) == "rerouted"


def test_sigterm_hands_back_what_outlasts_the_grace(processes: Processes, jobs: Any, monkeypatch: Any) -> None:
    """The lease is far longer than the test: only an explicit hand-back lets the second runner have it."""
    monkeypatch.setenv("PYNENC__LEASE_SEC", "600")
    runner, invocation = _start_held(processes, jobs, "gate", PYNENC__STOP_GRACE_SEC="0.3")
    runner.send(signal.SIGTERM)
    assert runner.wait(20) == 0
    assert str(invocation.status) == "rerouted"
    second = processes.runner()
    wait_until(lambda: flags.flag_text("gate-started") == str(second.pid), "the body runs again")
    flags.raise_flag("gate", "by the second")
    assert invocation.get_result(timeout=60) == "by the second"


def test_a_second_sigterm_does_not_wait_for_the_grace(processes: Processes, jobs: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("PYNENC__LEASE_SEC", "600")
    runner, invocation = _start_held(processes, jobs, "gate", PYNENC__STOP_GRACE_SEC="600")
    runner.send(signal.SIGTERM)
    runner.await_output("asked to stop by SIGTERM")
    runner.send(signal.SIGTERM)
    assert runner.wait(30) == 0
    assert str(invocation.status) == "rerouted"


def test_sigint_stops_like_sigterm(processes: Processes, jobs: Any) -> None:
    runner, invocation = _start_held(processes, jobs, "gate")
    runner.send(signal.SIGINT)
    flags.raise_flag("gate", "finished")
    assert runner.wait() == 0
    assert invocation.get_final_result() == "finished"


def test_sigterm_right_after_the_first_log_line_is_a_clean_stop(processes: Processes, jobs: Any) -> None:
    invocations = [jobs.basics.add(n, n) for n in range(50)]
    runner = processes.started_runner()
    runner.send(signal.SIGTERM)
    assert runner.wait(30) == 0
    assert all(str(invocation.status) in ("registered", "rerouted", "success") for invocation in invocations)
    processes.runner()
    assert [invocation.result for invocation in invocations] == [2 * n for n in range(50)]


def test_a_body_that_kills_its_process_is_buried_after_three_recoveries(processes: Processes, jobs: Any) -> None:
    from pynenc.exceptions import InvocationAbandonedError

    invocation = jobs.faults.kill_own_process()
    deaths = 0
    while not invocation.status.is_final():
        runner = processes.runner(PYNENC__LEASE_SEC="0.5")
        wait_until(lambda: runner.process.poll() is not None or invocation.status.is_final())
        deaths += runner.process.poll() is not None
        assert deaths <= 6, "poison work is run for ever"
    with pytest.raises(InvocationAbandonedError):
        invocation.result
    assert deaths == 4
    processes.runner()
    assert jobs.basics.add(1, 1).get_result(timeout=60) == 2
