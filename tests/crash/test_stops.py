"""Runners that are stopped (A7): once, five times, during their start, with a body that outlasts the grace period."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.bars import assert_within
from support.ledger import Ledger
from support.processes import Child, Processes, descendants
from support.waiting import wait_until
from support.worlds import load_jobs

WORKER_RUNNERS = ["PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
RUNNERS = ["ThreadRunner", *WORKER_RUNNERS]
GRACE_SEC = 0.5
BAR_SEC = 1.0
"""The bound for the exit after the grace period, and for the next run of handed-back invocations."""


@pytest.fixture
def jobs(shared_env: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The lease is far longer than the test, so only handed-back invocations can run again."""
    monkeypatch.setenv("PYNENC__LEASE_SEC", "600")
    return load_jobs()


@pytest.fixture
def sqlite_jobs(sqlite_env: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYNENC__LEASE_SEC", "600")
    return load_jobs()


def _runner(processes: Processes, runner_cls: str, grace_sec: float = GRACE_SEC) -> Child:
    sizes = dict.fromkeys(("NUM_PROCESSES", "MIN_PROCESSES", "MAX_PROCESSES", "PROCESSES", "CONCURRENCY"), "1")
    sizes |= {"MAX_THREADS": "1", "RUNNER_CLS": runner_cls, "STOP_GRACE_SEC": str(grace_sec)}
    return processes.runner(**{f"PYNENC__{name}": value for name, value in sizes.items()})


def _end_of(runner: Child, signals: int) -> float:
    """Send SIGTERM repeatedly, each after the arrival of the previous one; return the time from the first one to the
    exit with 0.
    """
    began = time.monotonic()
    for number in range(1, signals + 1):
        runner.send(signal.SIGTERM)
        if number < signals:
            wait_until(lambda number=number: _asked(runner) >= number or runner.process.poll() is not None, "its say")
    assert runner.wait() == 0, runner.output()
    return time.monotonic() - began


def _asked(runner: Child) -> int:
    return runner.output().count("asked to stop by SIGTERM")


@pytest.mark.parametrize("signals", [1, 5])
@pytest.mark.parametrize("runner_cls", RUNNERS)
def test_a_body_that_outlasts_the_grace_is_handed_back_and_begins_again_at_once(
    processes: Processes, jobs: Any, runner_cls: str, signals: int
) -> None:
    """Exit within the grace period and a second, begin again within a second: median of three times, see `bars`.

    The second of five signals ends the grace period, so it counts as none.
    """

    def measure(number: int) -> float:
        gate = f"gate-{number}"
        first = _runner(processes, runner_cls, GRACE_SEC if signals == 1 else 600.0)
        invocation = jobs.basics.until(gate)
        pid = flags.await_flag(f"{gate}-started")
        below = descendants(first.pid)
        second = processes.started_runner(PYNENC__RUNNER_CLS="ThreadRunner")
        took = _end_of(first, signals) - (GRACE_SEC if signals == 1 else 0.0)
        wait_until(lambda: flags.flag_text(f"{gate}-started") == str(second.pid) != pid, "it runs again")
        assert not any(Path(f"/proc/{pid}").exists() for pid in below), "no orphan"
        flags.raise_flag(gate, "by the second")
        assert invocation.get_result(timeout=60) == "by the second"
        entries = jobs.app.state_backend.get_history(invocation.invocation_id)
        handed = next(entry for entry in entries if str(entry.status) == "rerouted")
        again = [entry for entry in entries if str(entry.status) == "running"][-1]
        _end_of(second, 1)
        return max(took, (again.timestamp - handed.timestamp).total_seconds())

    assert_within(BAR_SEC, measure)


@pytest.mark.parametrize("body", ["holds the GIL", "blocks the loop"])
@pytest.mark.parametrize("runner_cls", WORKER_RUNNERS)
def test_a_body_that_no_exception_reaches_delays_no_exit(
    processes: Processes, sqlite_jobs: Any, runner_cls: str, body: str
) -> None:
    """Its process is killed: within the grace period and a second, and so soon is it queued again. Median, see `bars`.

    Threads of a process die with it alone, so ThreadRunner has no such means.
    """

    def measure(number: int) -> float:
        runner = _runner(processes, runner_cls)
        busy = sqlite_jobs.faults.hold_the_gil if body == "holds the GIL" else sqlite_jobs.basics.block_the_loop
        invocation = busy(60.0)
        wait_until(lambda: str(invocation.status) == "running", "it runs")
        below = descendants(runner.pid)
        took = _end_of(runner, 1) - GRACE_SEC
        assert not any(Path(f"/proc/{pid}").exists() for pid in below), "no orphan"
        assert str(invocation.status) == "rerouted"
        assert invocation.cancel()
        return took

    assert_within(BAR_SEC, measure)


MOMENTS = ["as a process", "as it says so", "with its first child", "with its first grandchild", "with its first body"]


@pytest.mark.parametrize(
    ("runner_cls", "moment"),
    [(name, moment) for name in RUNNERS for moment in MOMENTS if name != "ThreadRunner" or "child" not in moment],
)
def test_a_signal_during_start_up_ends_it_at_once_and_loses_nothing(
    processes: Processes, sqlite_jobs: Any, ledger: Ledger, runner_cls: str, moment: str
) -> None:
    """Within the grace period and a second: median of three times, see `bars`. And nothing runs twice."""

    def measure(number: int) -> float:
        invocations = sqlite_jobs.basics.note.parallelize([(f"{number}-{n}",) for n in range(20)])
        size = ledger.size()
        runner = _runner(processes, runner_cls)
        _await_moment(runner, moment, ledger, size)
        below = descendants(runner.pid)
        began = time.monotonic()
        runner.send(signal.SIGTERM)
        # No handler can run before Python has started.
        code = runner.wait()
        took = time.monotonic() - began
        assert code == 0 or (moment == MOMENTS[0] and code == -signal.SIGTERM), runner.output()
        assert "Traceback" not in runner.output()
        assert not any(Path(f"/proc/{pid}").exists() for pid in below), "no orphan"
        statuses = {str(invocation.status) for invocation in invocations}
        assert statuses <= {"registered", "rerouted", "success"}, statuses
        second = _runner(processes, "ThreadRunner")
        second.await_output("Starting runner for app")
        assert list(invocations.results) == [f"{number}-{n}" for n in range(20)]
        _end_of(second, 1)
        runs = [event["id"] for event in ledger.events(size) if event["kind"] == "run"]
        assert len(runs) == len(set(runs)) == 20, "each body once"
        return took - GRACE_SEC

    assert_within(BAR_SEC, measure)


def _await_moment(runner: Child, moment: str, ledger: Ledger, since: int) -> None:
    """Block until a runner that starts is that far."""
    if moment == MOMENTS[0]:
        return
    runner.await_output("Starting runner for app")
    if moment == MOMENTS[2]:
        wait_until(lambda: descendants(runner.pid), moment)
    elif moment == MOMENTS[3]:
        wait_until(lambda: len(descendants(runner.pid)) > 1, moment)
    elif moment == MOMENTS[4]:
        wait_until(lambda: ledger.size() > since, moment)
