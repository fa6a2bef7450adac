"""Waiting costs almost no CPU, and no lock. Measured as shares of a window, never as times."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.processes import Child, Processes, cpu_seconds
from support.waiting import wait_until
from support.worlds import load_jobs

pytestmark = pytest.mark.alone

WINDOW_SEC = 3.0
WAITERS = 100


def _load_of(child: Child) -> float:
    """Return the CPU time of the child over a window, as a share of one core."""
    before, began = cpu_seconds(child.pid), time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        child.process.wait(WINDOW_SEC)
    return (cpu_seconds(child.pid) - before) / (time.monotonic() - began)


def _settled(child: Child) -> None:
    """Block until the child has come to rest: start-up and the last work are over."""

    def rests() -> bool:
        before, began = cpu_seconds(child.pid), time.monotonic()
        with pytest.raises(subprocess.TimeoutExpired):
            child.process.wait(0.5)
        return (cpu_seconds(child.pid) - before) / (time.monotonic() - began) < 0.05

    wait_until(rests, "the process comes to rest")


def test_a_process_in_which_everything_waits_uses_less_than_one_percent_of_a_core(
    sqlite_env: None, processes: Processes
) -> None:
    jobs = load_jobs()
    runner = processes.runner(PYNENC__CONFIGRUNNER__QUEUES="default", PYNENC__MAX_THREADS="2")
    target = jobs.waits.never()
    waiters = jobs.waits.wait_for.parallelize([(target,) for _ in range(WAITERS)])
    wait_until(lambda: jobs.app.orchestrator.count_invocations(statuses=["paused"]) == WAITERS, "all of them wait", 60)
    _settled(runner)
    load = _load_of(runner)
    print(f"{WAITERS} waiting bodies: {load:.3%} of a core")
    assert load < 0.01
    server = processes.runner(PYNENC__CONFIGRUNNER__QUEUES="nobody")
    assert list(waiters.results) == [0] * WAITERS
    for child in (runner, server):
        child.send(signal.SIGTERM)
        assert child.wait() == 0


def test_a_client_that_waits_uses_less_than_one_percent_of_a_core(shared_env: None, processes: Processes) -> None:
    client = processes.python("-m", "support.programs.waiting_client")
    client.await_output("waiting")
    _settled(client)
    load = _load_of(client)
    print(f"a waiting client: {load:.3%} of a core")
    assert load < 0.01


@pytest.fixture
def lock_counter(tmp_path: Path) -> Path:
    """A library to preload that counts the calls that lock a file."""
    source = Path(__file__).with_name("count_locks.c")
    library = tmp_path / "count_locks.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def test_an_idle_runner_uses_less_than_half_a_percent_of_a_core_and_takes_no_lock(
    sqlite_env: None, processes: Processes, lock_counter: Path, tmp_path: Path
) -> None:
    jobs = load_jobs()
    counts = tmp_path / "locks.count"
    runner = processes.runner(LD_PRELOAD=str(lock_counter), TESTS_LOCK_COUNT=str(counts))
    assert jobs.basics.add(1, 1).get_result(timeout=60) == 2
    _settled(runner)
    at_work = _locks(counts)
    assert at_work > 0, "the counter sees the locks of a working runner"
    load = _load_of(runner)
    idle = _locks(counts) - at_work
    print(f"an idle runner: {load:.3%} of a core, {idle} locks in {WINDOW_SEC:g} s")
    assert load < 0.005
    assert idle == 0
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0


def _locks(counts: Path) -> int:
    return counts.stat().st_size if counts.exists() else 0
