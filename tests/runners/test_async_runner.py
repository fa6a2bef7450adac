"""Properties of runners with event loops: very many bodies at a time, and a log line about a blocked loop."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.chaos import size
from support.processes import Processes, child_environment
from support.waiting import wait_until
from support.worlds import load_jobs


@pytest.fixture
def jobs(sqlite_env: None) -> Any:
    return load_jobs()


def _runner(processes: Processes, **environment: str) -> Any:
    return processes.runner(**{"PYNENC__RUNNER_CLS": "AsyncRunner", "PYNENC__PROCESSES": "1", **environment})


def _memory_mb(pid: int) -> float:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


@pytest.mark.alone
def test_thousands_of_coroutines_wait_at_a_time_on_one_loop_and_leave_nothing_behind(
    processes: Processes, jobs: Any
) -> None:
    """4,000 naps of a second with 2,000 slots, in full 10,000: without concurrency an hour or more."""
    count, limit_sec = (10_000, 8) if size() == "full" else (4_000, 15)
    runner = _runner(processes, PYNENC__CONCURRENCY="2000")
    worker = jobs.basics.whoami().get_result(timeout=60)
    memory = []
    for _ in range(2):
        began = time.monotonic()
        pids = set(jobs.basics.nap.parallelize([(1.0,)] * count).results)
        seconds = time.monotonic() - began
        memory.append(_memory_mb(worker))
        print(f"{count:,} naps in {seconds:.2f} s, {memory[-1]:.0f} MB")
        assert pids == {worker}
        assert seconds < limit_sec
    assert memory[1] < memory[0] * 1.2 + 5
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0


@pytest.mark.alone
def test_ten_thousand_parents_of_one_child_are_all_woken_and_take_no_threads(processes: Processes, jobs: Any) -> None:
    """With a hundred slots: each is lent while its body waits."""
    count = 10_000
    runner = _runner(processes, PYNENC__CONCURRENCY="100")
    child = jobs.basics.until("gate")
    worker = int(flags.await_flag("gate-started"))
    before, threads = _memory_mb(worker), _threads(worker)
    parents = jobs.waits.await_another.parallelize([(child.invocation_id,)] * count)
    wait_until(lambda: jobs.app.orchestrator.count_invocations(statuses=["paused"]) == count, "all wait", 120)
    print(f"{(_memory_mb(worker) - before) * 1e3 / count:.1f} KB for each of {count:,} bodies that wait")
    assert _threads(worker) - threads < 30
    assert _memory_mb(worker) - before < 0.02 * count
    flags.raise_flag("gate", "open")
    assert list(parents.results) == [worker] * count
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0


def test_the_loop_is_one_of_uvloop_if_that_is_installed(processes: Processes, jobs: Any, tmp_path: Path) -> None:
    folder = tmp_path / "installed"
    folder.mkdir()
    (folder / "uvloop.py").write_text(
        "import asyncio\n\nclass Loop(asyncio.SelectorEventLoop):\n    pass\n\n"
        "def new_event_loop():\n    return Loop()\n"
    )
    path = child_environment({})["PYTHONPATH"]
    _runner(processes, PYTHONPATH=os.pathsep.join([str(folder), path]))
    assert jobs.basics.class_of_the_loop().get_result(timeout=60) == "uvloop.Loop"
    assert jobs.basics.add_slowly(1, 1).get_result(timeout=60) == 2
    assert jobs.basics.add(1, 1).get_result(timeout=60) == 2


def test_a_coroutine_that_waits_without_await_is_told_so_and_blocks_nobody(processes: Processes, jobs: Any) -> None:
    _runner(processes)
    with pytest.raises(RuntimeError, match="await invocation"):
        jobs.basics.wait_in_coroutine_without_await().get_result(timeout=60)
    assert jobs.basics.add_slowly(1, 1).get_result(timeout=60) == 2


def test_a_blocked_loop_is_reported_with_the_task_and_the_line(processes: Processes, jobs: Any) -> None:
    runner = _runner(processes, PYNENC__LOOP_WARNING_SEC="0.3")
    blocking = jobs.basics.block_the_loop(1.0)
    blocking.get_result(timeout=60)
    wait_until(lambda: "the event loop is blocked" in runner.output())
    (line,) = [line for line in runner.output().splitlines() if "the event loop is blocked" in line]
    assert "block_the_loop" in line
    assert blocking.invocation_id in line
    assert "basics.py:" in line


def test_a_loop_that_is_stuck_loses_its_claims_to_another_runner(processes: Processes, jobs: Any) -> None:
    short = {"PYNENC__LEASE_SEC": "1", "PYNENC__LOOP_LIMIT_SEC": "1"}
    stuck = _runner(processes, **short)
    held = jobs.basics.block_the_loop_once(8.0)
    wait_until(lambda: str(held.status) == "running")
    second = processes.runner(PYNENC__LEASE_SEC="1")
    assert held.get_result(timeout=60) == "by another"
    statuses = [str(entry.status) for entry in jobs.app.state_backend.get_history(held.invocation_id)]
    # On a busy machine the second one may be late for its lease of a second, too.
    assert statuses.count("running") >= 2
    assert "running_recovery" in statuses
    for runner in (stuck, second):
        runner.send(signal.SIGTERM)
        assert runner.wait() == 0
