"""Worker processes under load: killed at random, replaced, recycled, restarted; nothing may be lost or done twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from dataclasses import asdict
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

import pytest
from support import flags
from support.chaos import keep, size
from support.ledger import Ledger
from support.oracle import judge
from support.processes import Child, Processes
from support.waiting import wait_until
from support.worlds import load_jobs

from pynenc.exceptions import InvocationAbandonedError

pytestmark = pytest.mark.alone

FULL = size() == "full"
LONG_LEASE = "600"
"""Far longer than any test: a recovery can only follow from a noticed death."""
CLIENT = "support.programs.submitter"


@pytest.fixture
def jobs(shared_env: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYNENC__LEASE_SEC", LONG_LEASE)
    # The number of deaths of a worker with an invocation is random here and must not count.
    monkeypatch.setenv("PYNENC__MAX_RECOVERIES", "1000")
    return load_jobs()


@pytest.fixture
def sqlite_jobs(sqlite_env: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYNENC__LEASE_SEC", LONG_LEASE)
    return load_jobs()


def _runner(processes: Processes, runner_cls: str, **environment: str) -> Child:
    sizes = {
        "PYNENC__NUM_PROCESSES": "2",
        "PYNENC__MIN_PROCESSES": "2",
        "PYNENC__MAX_PROCESSES": "2",
        "PYNENC__PROCESSES": "2",
        "PYNENC__CONCURRENCY": "4",
        "PYNENC__MAX_THREADS": "4",
        "PYNENC__RUNNER_CLS": runner_cls,
    }
    return processes.runner(**{**sizes, **environment})


def _children(pid: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _workers(runner: Child) -> list[int]:
    return [worker for zygote in _children(runner.pid) for worker in _children(zygote)]


def _is_zombie(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return False


def _descriptors(runner: Child) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in [runner.pid, *_children(runner.pid)])


def _stop(runner: Child) -> None:
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()


def _faultless(jobs: Any, ledger: Ledger, count: int, row: str, what: str, times: int, seed: int) -> int:
    """Everything was done, once for each claim that was not taken back; how many were. Keeps the figures."""
    verdict = judge(jobs.app, ledger)
    taken_back = sum(
        1
        for invocation_id in {event["id"] for event in ledger.of_kind("acked")}
        for entry in jobs.app.state_backend.get_history(invocation_id)
        if str(entry.status) in ("running_recovery", "pending_recovery", "killed")
    )
    print(f"{verdict}, {taken_back} claims taken back")
    assert verdict.acknowledged == count
    assert (verdict.lost, verdict.ghosts, verdict.double_results, verdict.unfinished) == (0, 0, 0, 0)
    assert verdict.duplicates <= taken_back
    store = jobs.app.conf.store_url.partition(":")[0]
    keep(f"{row} {store}", what, "kill of the process", times, seed, **asdict(verdict))
    return taken_back


@pytest.mark.timeout(900 if FULL else 120)
@pytest.mark.parametrize("runner_cls", ["PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"])
def test_workers_killed_at_random_under_load_lose_nothing(
    processes: Processes, jobs: Any, ledger: Ledger, seed: int, runner_cls: str
) -> None:
    chance = random.Random(seed)
    kills = 250 if FULL else 5
    # A process for each call is slow.
    count = kills * (8 if runner_cls == "ProcessRunner" else 40)
    runner = _runner(processes, runner_cls)
    wait_until(lambda: len(_workers(runner)) >= 2, "workers", 30)
    before = _descriptors(runner)
    client = processes.python("-m", CLIENT, "client", str(count))
    for kill in range(kills):
        done = kill * count // (kills + 1)
        wait_until(lambda done=done: len(ledger.of_kind("run")) >= done, f"{done} runs", 60)
        victim = chance.choice(wait_until(lambda: _workers(runner), "workers", 30))
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    assert client.wait(600 if FULL else 90) == 0, client.output()
    what = f"kill -9 of a worker process of {runner_cls} at a random moment, no lease ends meanwhile"
    _faultless(jobs, ledger, count, f"A3 {runner_cls}", what, kills, seed)
    below = [*_children(runner.pid), *_workers(runner)]
    assert not any(_is_zombie(pid) for pid in below)
    assert len(_children(runner.pid)) == 1, "one zygote"
    if runner_cls != "ProcessRunner":
        # Workers for bodies that run alone end after 35 s without work.
        wait_until(lambda: len(_workers(runner)) == 2 and _descriptors(runner) <= before, "no descriptor is left", 90)
    _stop(runner)
    assert not any(Path(f"/proc/{pid}").exists() for pid in below), "no orphan"


@pytest.mark.timeout(900 if FULL else 120)
def test_a_rolling_restart_under_load_loses_nothing_and_runs_nothing_twice(
    processes: Processes, jobs: Any, ledger: Ledger, seed: int
) -> None:
    rounds, each = (24, 10_000) if FULL else (3, 300)
    runners = [_runner(processes, "PersistentProcessRunner")]
    for number in range(rounds):
        client = processes.python("-m", CLIENT, f"client-{number}", str(each))
        done = number * each + each // 4
        wait_until(lambda done=done: len(ledger.of_kind("run")) >= done, f"{done} runs", 60)
        runners.append(_runner(processes, "PersistentProcessRunner"))
        runners[-1].await_output("started: ")
        _stop(runners.pop(0))
        assert client.wait(90) == 0, client.output()
    what = "rolling restart of PersistentProcessRunner: SIGTERM, and another one has started"
    _faultless(jobs, ledger, rounds * each, "A7", what, rounds, seed)
    assert judge(jobs.app, ledger).duplicates == 0, "a stop in order runs nothing twice"
    for runner in runners:
        _stop(runner)


@pytest.mark.parametrize("runner_cls", ["PersistentProcessRunner", "ProcessRunner"])
def test_bodies_that_take_the_process_with_them_are_buried_with_the_reason(
    processes: Processes, sqlite_jobs: Any, monkeypatch: pytest.MonkeyPatch, runner_cls: str
) -> None:
    monkeypatch.setenv("PYNENC__MAX_RECOVERIES", "1")
    runner = _runner(processes, runner_cls)
    faults = sqlite_jobs.faults
    ends = [
        (faults.segfault, "killed by signal 11"),
        (faults.abort, "killed by signal 6"),
        (faults.leave, "exit code 7"),
    ]
    for task, how in ends:
        with pytest.raises(InvocationAbandonedError, match=how):
            task().get_result(timeout=60)
    assert sqlite_jobs.basics.add(1, 1).get_result(timeout=60) == 2
    _stop(runner)


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [("MAX_RSS_MB", "1", r"MB: it is replaced"), ("MAX_AGE_SEC", "1", "s old: it is replaced")],
)
def test_workers_that_are_too_large_or_too_old_are_replaced_without_loss(
    processes: Processes, sqlite_jobs: Any, setting: str, value: str, reason: str
) -> None:
    runner = _runner(processes, "PersistentProcessRunner", PYNENC__NUM_PROCESSES="1", **{f"PYNENC__{setting}": value})
    held = sqlite_jobs.basics.until("gate")
    first = int(flags.await_flag("gate-started"))
    runner.await_output(reason)
    # The old worker finishes its bodies; new work goes to the new worker.
    pids: set[int] = set()
    wait_until(lambda: pids.add(sqlite_jobs.basics.whoami().get_result(timeout=60)) or pids - {first}, "a new worker")
    flags.raise_flag("gate", "in its time")
    assert held.get_result(timeout=60) == "in its time"
    statuses = [str(entry.status) for entry in sqlite_jobs.app.state_backend.get_history(held.invocation_id)]
    assert statuses == ["registered", "pending", "running", "success"]
    wait_until(lambda: first not in _workers(runner), "the old one is gone")
    _stop(runner)


def test_workers_are_added_with_the_load_and_ended_without_it(processes: Processes, sqlite_jobs: Any) -> None:
    runner = _runner(
        processes,
        "MultiThreadRunner",
        PYNENC__MIN_PROCESSES="1",
        PYNENC__MAX_PROCESSES="3",
        PYNENC__MAX_THREADS="2",
        PYNENC__IDLE_TIMEOUT_PROCESS_SEC="1",
    )
    held = [sqlite_jobs.basics.until(f"gate-{n}") for n in range(6)]
    pids = {flags.await_flag(f"gate-{n}-started") for n in range(6)}
    assert len(pids) == 3
    for n in range(6):
        flags.raise_flag(f"gate-{n}", str(n))
    assert [one.get_result(timeout=60) for one in held] == [str(n) for n in range(6)]
    wait_until(lambda: len(_workers(runner)) == 1, "idle workers are ended", 30)
    _stop(runner)


def test_work_that_is_not_due_adds_no_worker(processes: Processes, sqlite_jobs: Any) -> None:
    runner = _runner(
        processes,
        "MultiThreadRunner",
        PYNENC__MIN_PROCESSES="1",
        PYNENC__MAX_PROCESSES="3",
        PYNENC__MAX_THREADS="1",
        PYNENC__UNKNOWN_TASK_DELAY_SEC="10",
    )
    plan = sqlite_jobs.basics.add._plan
    for number in range(6):
        sqlite_jobs.app._runtime.store.submit(plan.spec, [(b"[]", "", None, None)], delay_sec=600.0 + number)
    for number in range(10):
        assert sqlite_jobs.basics.add(number, 1).get_result(timeout=60) == number + 1
    assert sqlite_jobs.app.broker.count_invocations() == 6
    with pytest.raises(TimeoutExpired):
        runner.process.wait(1.0)
    assert len(_workers(runner)) == 1
    _stop(runner)
