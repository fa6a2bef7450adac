"""Frozen worker processes: other workers get their slots, and they do not delay a stop."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.processes import Child, Processes, descendants, freeze, stands_still
from support.waiting import wait_until
from support.worlds import load_jobs

from pynenc.runner._workers.platform import is_stopped, turns_of

WORKER_RUNNERS = ["PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
SILENT = "has not answered for"


@pytest.fixture(params=WORKER_RUNNERS)
def runner_cls(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def jobs(sqlite_env: None) -> Any:
    return load_jobs()


@pytest.fixture
def jobs_anywhere(shared_env: None) -> Any:
    return load_jobs()


def _runner(processes: Processes, runner_cls: str, **environment: str) -> Child:
    """One worker with one slot."""
    sizes = {f"PYNENC__{name}": "1" for name in ("NUM_PROCESSES", "MIN_PROCESSES", "MAX_PROCESSES", "PROCESSES")}
    sizes |= {"PYNENC__CONCURRENCY": "1", "PYNENC__RUNNER_CLS": runner_cls, "PYNENC__WORKER_SILENT_SEC": "1.5"}
    return processes.started_runner(**{**sizes, **environment})


def _held(jobs: Any, name: str) -> tuple[Any, int]:
    """An invocation that waits for the flag, and the process that runs it."""
    invocation = jobs.basics.until(name)
    return invocation, int(flags.await_flag(f"{name}-started"))


def _history(jobs: Any, invocation: Any) -> list[str]:
    return [str(entry.status) for entry in jobs.app.state_backend.get_history(invocation.invocation_id)]


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _stop(runner: Child) -> None:
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()


def test_a_frozen_worker_is_replaced_and_told_to_stop_when_it_goes_on(
    processes: Processes, jobs_anywhere: Any, monkeypatch: pytest.MonkeyPatch, runner_cls: str
) -> None:
    jobs = jobs_anywhere
    monkeypatch.setenv("PYNENC__LEASE_SEC", "1")
    runner = _runner(processes, runner_cls)
    held, pid = _held(jobs, "gate")
    freeze([pid], jobs.app.conf.store_url)
    flags.raise_flag("gate", "elsewhere")
    assert held.get_result(timeout=60) == "elsewhere", "its lease ends while it does not renew it"
    assert jobs.basics.add(1, 1).get_result(timeout=60) == 2, "its slot is another worker's"
    assert stands_still(pid)
    assert runner.output().count(SILENT) == 1, "told once"
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: _is_gone(pid), "it is told to end")
    runner.await_output("answers again")
    assert jobs.basics.add(1, 1).get_result(timeout=60) == 2
    assert _history(jobs, held).count("success") == 1
    _stop(runner)


def test_a_frozen_worker_does_not_hold_up_a_stop(processes: Processes, jobs: Any, runner_cls: str) -> None:
    runner = _runner(processes, runner_cls, PYNENC__STOP_GRACE_SEC="600", PYNENC__LEASE_SEC="600")
    held, pid = _held(jobs, "gate")
    freeze([pid], jobs.app.conf.store_url)
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()
    assert _is_gone(pid)
    assert _history(jobs, held)[-2:] == ["running_recovery", "rerouted"], "what it ran is in the queue again"
    assert runner.output().count(SILENT) == 1


def test_a_worker_that_holds_the_gil_is_not_taken_for_frozen(processes: Processes, jobs: Any, runner_cls: str) -> None:
    runner = _runner(processes, runner_cls, PYNENC__LEASE_SEC="1", PYNENC__LOOP_LIMIT_SEC="60")
    busy = jobs.faults.hold_the_gil(6.0)
    pid = int(flags.await_flag("gil-held"))
    assert busy.get_result(timeout=60) == pid
    assert SILENT not in runner.output()
    assert _history(jobs, busy) == ["registered", "pending", "running", "success"]
    _stop(runner)


def test_a_runner_that_was_frozen_along_with_its_workers_replaces_none(processes: Processes, jobs: Any) -> None:
    runner = _runner(processes, "PersistentProcessRunner", PYNENC__LEASE_SEC="600")
    pid = jobs.basics.whoami().get_result(timeout=60)
    everything = [runner.pid, *descendants(runner.pid)]
    freeze(everything, jobs.app.conf.store_url)
    # Longer than `worker_silent_sec` by the clock of the machine.
    with pytest.raises(Exception, match="timed out"):
        runner.process.wait(3.0)
    for one in everything:
        os.kill(one, signal.SIGCONT)
    assert jobs.basics.whoami().get_result(timeout=60) == pid
    assert SILENT not in runner.output()
    _stop(runner)


@pytest.mark.parametrize("wanted_for", ["a replacement", "a stop"])
def test_a_frozen_zygote_is_started_anew_when_it_is_needed(processes: Processes, jobs: Any, wanted_for: str) -> None:
    runner = _runner(processes, "PersistentProcessRunner", PYNENC__STOP_GRACE_SEC="600")
    pid = jobs.basics.whoami().get_result(timeout=60)
    zygote = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    freeze([zygote], jobs.app.conf.store_url)
    if wanted_for == "a replacement":
        os.kill(pid, signal.SIGKILL)
        assert jobs.basics.whoami().get_result(timeout=60) != pid
    _stop(runner)
    assert _is_gone(zygote)


def test_a_stopped_process_is_known_by_its_threads_and_by_its_state(processes: Processes) -> None:
    child = processes.python("-c", "import sys, time\nprint('up')\nwhile True: time.sleep(0.01)")
    child.await_output("up")
    before = turns_of(child.pid)
    wait_until(lambda: turns_of(child.pid) != before, "it runs")
    assert not is_stopped(child.pid)
    child.send(signal.SIGSTOP)
    wait_until(lambda: stands_still(child.pid))
    assert turns_of(child.pid) == turns_of(child.pid)
    assert is_stopped(child.pid)
