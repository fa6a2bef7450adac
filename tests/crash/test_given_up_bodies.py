"""Bodies that are given up while their runner, or their worker, stops: the outcome arrives, and nothing runs again."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.ledger import Ledger
from support.processes import Child, Processes, descendants
from support.waiting import wait_until
from support.worlds import load_jobs

from pynenc.exceptions import InvocationCancelledError, TaskTimeoutError

GRACE_SEC = 30.0
"""The body of 600 s is given up long before this ends."""
LEASE_SEC = 1.0
"""Shorter than the time from the stop until the body is given up."""


@pytest.fixture
def jobs(shared_env: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYNENC__LEASE_SEC", str(LEASE_SEC))
    monkeypatch.setenv("PYNENC__STOP_GRACE_SEC", str(GRACE_SEC))
    monkeypatch.setenv("PYNENC__CANCEL_GRACE_SEC", "1.5")
    return load_jobs()


def _runner(processes: Processes, runner_cls: str, **settings: str) -> Child:
    sizes = {"MIN_PROCESSES": "1", "MAX_PROCESSES": "1", "MAX_THREADS": "2", "RUNNER_CLS": runner_cls, **settings}
    return processes.runner(**{f"PYNENC__{name}": value for name, value in sizes.items()})


def _statuses(jobs: Any, invocation: Any) -> list[str]:
    return [str(entry.status) for entry in jobs.app.state_backend.get_history(invocation.invocation_id)]


@pytest.mark.parametrize("company", ["alone", "beside another runner"])
@pytest.mark.parametrize("runner_cls", ["ThreadRunner", "MultiThreadRunner"])
def test_a_body_given_up_at_its_timeout_after_a_stop_ends_once_and_the_runner_exits(
    processes: Processes, jobs: Any, ledger: Ledger, runner_cls: str, company: str
) -> None:
    runner = _runner(processes, runner_cls)
    invocation = jobs.limits.sleep_beyond_the_limit("body")
    flags.await_flag("body-runs")
    others = [] if company == "alone" else [processes.started_runner(PYNENC__RUNNER_CLS="ThreadRunner")]
    runner.send(signal.SIGTERM)
    began = time.monotonic()
    assert runner.wait() == 0, runner.output()
    assert time.monotonic() - began < GRACE_SEC, "the end of the body, not of the grace, ended the runner"
    with pytest.raises(TaskTimeoutError, match="ran longer than its timeout"):
        invocation.get_result(timeout=60)
    for other in others:
        # It has looked for work and for dead runners since.
        assert jobs.basics.add(1, 1).get_result(timeout=60) == 2
        other.send(signal.SIGTERM)
        assert other.wait() == 0
    assert [event["tag"] for event in ledger.of_kind("run")] == ["body"]
    assert _statuses(jobs, invocation) == ["registered", "pending", "running", "failed"]


@pytest.mark.parametrize("runner_cls", ["ThreadRunner", "MultiThreadRunner"])
def test_a_body_given_up_after_a_cancellation_after_a_stop_ends_once_and_the_runner_exits(
    processes: Processes, jobs: Any, ledger: Ledger, runner_cls: str
) -> None:
    runner = _runner(processes, runner_cls)
    invocation = jobs.cancels.sleep_in_one_call("body")
    flags.await_flag("body-runs")
    runner.send(signal.SIGTERM)
    runner.await_output("asked to stop")
    assert invocation.cancel()
    began = time.monotonic()
    assert runner.wait() == 0, runner.output()
    assert time.monotonic() - began < GRACE_SEC, "the end of the body, not of the grace, ended the runner"
    with pytest.raises(InvocationCancelledError, match="did not stop within"):
        invocation.get_result(timeout=60)
    assert [event["tag"] for event in ledger.of_kind("run")] == ["body"]
    assert _statuses(jobs, invocation) == ["registered", "pending", "running", "cancelled"]


def test_a_worker_that_is_replaced_sends_the_outcome_of_a_body_it_gives_up(
    processes: Processes, jobs: Any, ledger: Ledger
) -> None:
    """The runner continues, and replaces the worker because of its number of tasks."""
    runner = _runner(processes, "MultiThreadRunner", MAX_TASKS_PER_PROCESS="1")
    invocation = jobs.limits.sleep_beyond_the_limit("body")
    flags.await_flag("body-runs")
    old = descendants(runner.pid)
    assert jobs.basics.add(1, 1).get_result(timeout=60) == 2
    with pytest.raises(TaskTimeoutError, match="ran longer than its timeout"):
        invocation.get_result(timeout=60)
    # The process from which workers are forked stays.
    wait_until(lambda: sum(Path(f"/proc/{pid}").exists() for pid in old) == 1, "the worker has ended")
    assert jobs.basics.add(1, 2).get_result(timeout=60) == 3
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()
    assert [event["tag"] for event in ledger.of_kind("run")] == ["body"]
    assert _statuses(jobs, invocation) == ["registered", "pending", "running", "failed"]
