"""Bodies that want more memory than there is: an error they can catch, or the kernel's kill."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.processes import Child, Processes
from support.worlds import load_jobs

RUNNERS = ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
MIB = 1 << 20
GROUPS = Path("/sys/fs/cgroup")

Confine = Callable[[int, int], bool]


@pytest.fixture
def jobs(sqlite_env: None) -> Any:
    return load_jobs()


def _runner(processes: Processes, runner_cls: str) -> Child:
    sizes = {f"PYNENC__{name}": "2" for name in ("NUM_PROCESSES", "MIN_PROCESSES", "PROCESSES", "MAX_PROCESSES")}
    sizes |= {"PYNENC__MAX_THREADS": "2", "PYNENC__CONCURRENCY": "2"}
    return processes.started_runner(PYNENC__RUNNER_CLS=runner_cls, **sizes)


@pytest.mark.parametrize("runner_cls", RUNNERS)
def test_an_allocation_that_is_refused_fails_the_task_and_nothing_else(
    processes: Processes, jobs: Any, runner_cls: str
) -> None:
    runner = _runner(processes, runner_cls)
    with pytest.raises(MemoryError):
        jobs.rogues.allocate_beyond_the_limit(64 * MIB).get_result(timeout=60)
    assert [jobs.basics.add(n, 1).get_result(timeout=60) for n in range(5)] == [1, 2, 3, 4, 5]
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()


@pytest.fixture
def confine() -> Iterator[Confine]:
    """Limit the memory of a process by a memory cgroup of either version; return False if none can be created."""
    groups: list[Path] = []

    def confine(pid: int, limit: int) -> bool:
        for parent, name in ((GROUPS / "memory", "memory.limit_in_bytes"), (GROUPS, "memory.max")):
            group = parent / f"pynenc-test-{os.getpid()}"
            with contextlib.suppress(OSError):
                group.mkdir()
                groups.append(group)
                (group / name).write_text(str(limit))
                (group / "cgroup.procs").write_text(str(pid))
                return True
        return False

    yield confine
    for group in groups:
        group.rmdir()


@pytest.mark.parametrize("runner_cls", [name for name in RUNNERS if name != "ThreadRunner"])
def test_a_worker_that_the_kernel_kills_for_its_memory_is_replaced_and_its_work_run_again(
    processes: Processes, jobs: Any, confine: Confine, runner_cls: str
) -> None:
    runner = _runner(processes, runner_cls)
    hungry = jobs.rogues.touch_memory(256 * MIB)
    worker = int(flags.await_flag("hungry"))
    sibling = jobs.basics.until("sibling")
    flags.await_flag("sibling-started")
    if not confine(worker, 64 * MIB):
        # Only root may create one. The test sends the signal of the kernel instead: the runner cannot distinguish them.
        os.kill(worker, signal.SIGKILL)
    flags.raise_flag("eat")
    assert hungry.get_result(timeout=60) != worker
    recovery = next(
        entry
        for entry in jobs.app.state_backend.get_history(hungry.invocation_id)
        if str(entry.status) == "running_recovery"
    )
    assert recovery.note == "killed by signal 9 (out of memory?)"
    flags.raise_flag("sibling", "untouched")
    assert sibling.get_result(timeout=60) == "untouched"
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()
