"""Bodies that fork, close foreign descriptors, and change their process: the runner stays in order."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.processes import Child, Processes
from support.waiting import wait_until
from support.worlds import load_jobs

from pynenc.exceptions import InvocationAbandonedError

RUNNERS = ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]


@pytest.fixture
def jobs(sqlite_env: None) -> Any:
    return load_jobs()


@pytest.fixture(params=RUNNERS)
def runner(request: pytest.FixtureRequest, processes: Processes, jobs: Any) -> Child:
    return _runner(processes, str(request.param))


def _runner(processes: Processes, runner_cls: str, **environment: str) -> Child:
    sizes = {f"PYNENC__{name}": "1" for name in ("NUM_PROCESSES", "MIN_PROCESSES", "PROCESSES")}
    sizes |= {"PYNENC__MAX_PROCESSES": "2", "PYNENC__MAX_THREADS": "2", "PYNENC__CONCURRENCY": "2"}
    return processes.started_runner(PYNENC__RUNNER_CLS=runner_cls, **sizes, **environment)


def _history(jobs: Any, invocation: Any) -> list[str]:
    return [str(entry.status) for entry in jobs.app.state_backend.get_history(invocation.invocation_id)]


def _stops(runner: Child) -> None:
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()


def test_copies_of_the_process_take_no_part(jobs: Any, runner: Child) -> None:
    rogues = jobs.rogues
    forked, returned = rogues.fork_and_leave(), rogues.fork_and_return()
    assert forked.get_result(timeout=60) == "forked"
    assert returned.get_result(timeout=60) in ("the worker", "the copy")
    for invocation in (forked, returned):
        assert _history(jobs, invocation) == ["registered", "pending", "running", "success"]
    assert rogues.use_a_pool([-1, 2, -3]).get_result(timeout=60) == 6
    assert rogues.run_a_program().get_result(timeout=60) == "out\n"
    assert rogues.still_works().get_result(timeout=60) == 2
    _stops(runner)
    wait_until(lambda: not _of_this_test(), "no copy is left")


def _of_this_test() -> list[str]:
    """Other processes that were given the flags of this test."""
    mark, found = os.environ[flags.DIR_VARIABLE].encode(), []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes():
                    found.append(process.name)
    return found


def test_a_daemon_that_a_body_leaves_behind_holds_nothing_up(jobs: Any, runner: Child) -> None:
    daemon = jobs.rogues.leave_a_daemon("enough").get_result(timeout=60)
    assert jobs.rogues.still_works().get_result(timeout=60) == 2
    _stops(runner)
    flags.raise_flag("enough")
    wait_until(lambda: not _is_alive(daemon), "the daemon is gone")


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_changed_process_goes_on_and_stops_when_told(jobs: Any, runner: Child, tmp_path: Path) -> None:
    assert jobs.rogues.change_the_process(str(tmp_path)).get_result(timeout=60) == "changed"
    assert jobs.basics.add(1, 1).get_result(timeout=60) == 2
    _stops(runner)


@pytest.mark.parametrize("runner_cls", ["PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"])
def test_a_worker_whose_descriptors_a_body_closed_is_replaced(
    processes: Processes, jobs: Any, monkeypatch: pytest.MonkeyPatch, runner_cls: str
) -> None:
    """The body closes the worker's store, its channel and its loop. The worker ends, and the body is the cause."""
    monkeypatch.setenv("PYNENC__MAX_RECOVERIES", "1")
    runner = _runner(processes, runner_cls, PYNENC__LEASE_SEC="2", PYNENC__STORE_DEAF_AFTER_SEC="2")
    invocation = jobs.rogues.close_descriptors()
    try:
        # The outcome may still have got out before anything was missed.
        assert invocation.get_result(timeout=60) == "closed"
    except InvocationAbandonedError:
        assert "running_recovery" in _history(jobs, invocation)
    assert jobs.rogues.still_works().get_result(timeout=60) == 2
    _stops(runner)


@pytest.mark.parametrize("runner_cls", RUNNERS)
def test_a_runner_that_runs_out_of_descriptors_loses_nothing_and_goes_on(
    processes: Processes, jobs: Any, runner_cls: str
) -> None:
    runner = _runner(processes, runner_cls)
    assert jobs.basics.add(1, 1).get_result(timeout=60) == 2
    soft, hard = resource.prlimit(runner.pid, resource.RLIMIT_NOFILE)
    few = len(os.listdir(f"/proc/{runner.pid}/fd"))
    resource.prlimit(runner.pid, resource.RLIMIT_NOFILE, (few, hard))
    invocations = [jobs.basics.add(number, 1) for number in range(20)]
    programs = [jobs.rogues.run_a_program() for _ in range(2)]
    if runner_cls != "ProcessRunner":
        # That runner needs descriptors for each invocation, and starts none.
        assert [one.get_result(timeout=60) for one in invocations] == [number + 1 for number in range(20)]
    resource.prlimit(runner.pid, resource.RLIMIT_NOFILE, (soft, hard))
    assert [one.get_result(timeout=60) for one in invocations] == [number + 1 for number in range(20)]
    for program in programs:
        try:
            assert program.get_result(timeout=60) == "out\n"
        except (OSError, subprocess.SubprocessError):
            # The body's own affair: it asked for a descriptor where there was none.
            assert runner_cls == "ThreadRunner"
    assert runner.process.poll() is None, runner.output()
    _stops(runner)
