"""A body that kills its process (A1 of the catalogue) becomes a dead letter, and its neighbours complete."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.chaos import keep, rounds
from support.processes import Child, Processes
from support.waiting import wait_until
from support.worlds import StoreKind, load_jobs, set_environment, shared_cluster

from pynenc.exceptions import InvocationAbandonedError

RUNNERS = ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
POISONS = ["segfault", "exit", "memory"]
DEATHS = (-signal.SIGSEGV, -signal.SIGKILL, 3)
"""The ends of a process that the poisons cause."""

LEASE_SEC = "2"
PATIENCE_SEC = 60.0


@pytest.fixture
def jobs(shared_env: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYNENC__LEASE_SEC", LEASE_SEC)
    return load_jobs()


class Supervised:
    """A runner that is started again when its process dies, as a service manager does."""

    def __init__(self, start: Callable[[], Child]) -> None:
        self._start = start
        self.child = start()

    def tend(self) -> None:
        """Start it again if it is gone."""
        code = self.child.process.poll()
        if code is not None:
            assert code in DEATHS, self.child.output()
            self.child = self._start()

    def stop(self) -> None:
        """In order."""
        self.child.send(signal.SIGTERM)
        assert self.child.wait() == 0, self.child.output()


def _runner(processes: Processes, runner_cls: str, **environment: str) -> Supervised:
    sizes = {
        "PYNENC__NUM_PROCESSES": "2",
        "PYNENC__MIN_PROCESSES": "1",
        "PYNENC__MAX_PROCESSES": "2",
        "PYNENC__PROCESSES": "1",
        "PYNENC__CONCURRENCY": "64",
        "PYNENC__MAX_THREADS": "64",
        "PYNENC__RUNNER_CLS": runner_cls,
    }
    return Supervised(lambda: processes.runner(**{**sizes, **environment}))


def _ended(jobs: Any, runner: Supervised, invocations: list[Any], patience_sec: float = PATIENCE_SEC) -> None:
    """Block until each has ended, and keep the runner alive meanwhile."""
    ids = [one.invocation_id for one in invocations]

    def are_over() -> bool:
        runner.tend()
        return all(terminal is not None for terminal in jobs.app._runtime.store.terminals(ids))

    wait_until(are_over, f"all {len(ids)} have ended", patience_sec)


def _statuses(jobs: Any, invocation: Any) -> list[str]:
    return [str(entry.status) for entry in jobs.app.state_backend.get_history(invocation.invocation_id)]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("runner_cls", RUNNERS)
def test_innocent_bodies_beside_poisoned_ones_succeed_and_the_poisoned_ones_are_buried(
    processes: Processes, jobs: Any, monkeypatch: pytest.MonkeyPatch, runner_cls: str, seed: int
) -> None:
    """One poison of each kind; in full size as many neighbours and deaths as in the catalogue."""
    innocents = rounds(13, 39, 39)
    most = rounds(1, 3, 3)
    monkeypatch.setenv("PYNENC__MAX_RECOVERIES", str(most))
    neighbours = jobs.neighbours
    innocent, poisoned = neighbours.innocent, neighbours.poisoned
    if runner_cls == "AsyncRunner":
        innocent, poisoned = neighbours.innocent_coroutine, neighbours.poisoned_coroutine
    seconds = 0.4
    calls = [innocent(number, seconds) for number in range(innocents)]
    poison = [poisoned(how, seconds / 2) for how in POISONS]
    calls += [innocent(number, seconds) for number in range(innocents, innocents + 2)]
    began = time.monotonic()
    runner = _runner(processes, runner_cls)
    _ended(jobs, runner, [*calls, *poison], 300.0)
    took = time.monotonic() - began
    assert [one.result for one in calls] == list(range(innocents + 2))
    for one in poison:
        with pytest.raises(InvocationAbandonedError, match=f"{most + 1} times"):
            one.get_result(timeout=0)
    assert {jobs.app._runtime.store.get(one.invocation_id).recoveries for one in calls} == {0}
    lost = sum(1 for one in calls if str(one.status) != "success")
    # An outcome that another run replaced reads differently the second time.
    changed = sum(one.result != number for number, one in enumerate(calls))
    again = sum(_statuses(jobs, one).count("running_recovery") for one in calls)
    runner.stop()
    store = jobs.app.conf.store_url.partition(":")[0]
    what = f"{len(POISONS)} bodies that kill their process beside innocent ones, {runner_cls}"
    keep(
        f"A1 {store} {runner_cls}", what, "death of the process", len(POISONS), seed,
        acknowledged=len(calls) + len(poison), lost=lost, duplicates=again, double_results=changed,
        innocent_successes=len(calls), dead_letters=len(poison), all_done_sec=round(took, 1),
    )  # fmt: skip


@pytest.mark.parametrize("runner_cls", RUNNERS)
def test_a_chain_of_bodies_that_wait_outlives_the_one_at_its_end_that_kills_its_process(
    processes: Processes, jobs: Any, monkeypatch: pytest.MonkeyPatch, runner_cls: str
) -> None:
    monkeypatch.setenv("PYNENC__MAX_RECOVERIES", "1")
    single = runner_cls == "ThreadRunner"
    root = jobs.neighbours.waits_for_a_poisoned_one(0 if single else 2, "segfault")
    beside = [jobs.neighbours.waits_for(number, 0.2) for number in range(4)]
    runner = _runner(processes, runner_cls)
    _ended(jobs, runner, [root, *beside], 150.0)
    assert [one.result for one in beside] == list(range(4))
    if single:
        # A body that waits for the crasher in its process dies with it, and calls a new one each time; this ends. The
        # last one that it called may still be about to die.
        assert str(root.status) in ("failed", "success")
        return
    assert root.result.endswith("InvocationAbandonedError")
    runner.stop()


@pytest.mark.parametrize("most", [0, 1])
@pytest.mark.parametrize("runner_cls", ["MultiThreadRunner", "AsyncRunner"])
def test_the_setting_counts_the_deaths_of_a_body_alone(
    processes: Processes, jobs: Any, monkeypatch: pytest.MonkeyPatch, runner_cls: str, most: int
) -> None:
    monkeypatch.setenv("PYNENC__MAX_RECOVERIES", str(most))
    innocent = jobs.neighbours.innocent(7, 1.0)
    poisoned = jobs.neighbours.poisoned("exit", 0.3)
    runner = _runner(processes, runner_cls)
    _ended(jobs, runner, [innocent, poisoned])
    assert innocent.result == 7
    with pytest.raises(InvocationAbandonedError, match=f"{most + 1} times.*exit code 3"):
        poisoned.get_result(timeout=0)
    deaths = _statuses(jobs, poisoned).count("running_recovery")
    assert deaths in (most + 1, most + 2), "once beside others, if at all, then alone"
    notes = [str(entry.note) for entry in jobs.app.state_backend.get_history(innocent.invocation_id)]
    assert any("runs alone next" in note for note in notes) or "running_recovery" not in _statuses(jobs, innocent)
    runner.stop()


@pytest.mark.parametrize("runner_cls", RUNNERS)
def test_an_invocation_that_runs_alone_is_retried_and_cancelled_as_usual(
    processes: Processes, jobs: Any, runner_cls: str
) -> None:
    retried = jobs.neighbours.fails_once_alone("a")
    cancelled = jobs.neighbours.dies_unless("b")
    runner = _runner(processes, runner_cls)

    def has_died() -> bool:
        runner.tend()
        return "running_recovery" in _statuses(jobs, cancelled)

    wait_until(has_died, "it has died once", PATIENCE_SEC)
    flags.raise_flag("b")

    def runs_again() -> bool:
        runner.tend()
        return str(cancelled.status) == "running"

    wait_until(runs_again, "it runs alone", PATIENCE_SEC)
    assert cancelled.cancel()
    _ended(jobs, runner, [retried, cancelled])
    assert (retried.result, str(cancelled.status)) == (3, "cancelled")
    runner.stop()


@pytest.mark.parametrize("runner_cls", RUNNERS)
def test_a_runner_that_dies_with_all_of_its_processes_leaves_nobody_to_be_buried(
    processes: Processes, jobs: Any, monkeypatch: pytest.MonkeyPatch, runner_cls: str
) -> None:
    """No process sees the death: the leases expire in any order, and no body is taken for the only one that ran."""
    monkeypatch.setenv("PYNENC__MAX_RECOVERIES", "0")
    sizes = {"PYNENC__NUM_PROCESSES": "1", "PYNENC__MAX_PROCESSES": "1"}
    runner = _runner(processes, runner_cls, **sizes)
    calls = [jobs.basics.until(f"gate-{number}") for number in range(6)]
    several = runner_cls not in ("PersistentProcessRunner", "ProcessRunner")
    if not several:
        # A process with one body: the body may be the cause of its death.
        monkeypatch.setenv("PYNENC__MAX_RECOVERIES", "1")
    for number in range(6 if several else 1):
        flags.await_flag(f"gate-{number}-started")
    runner.child.send(signal.SIGKILL)
    runner.child.wait()
    for number in range(6):
        flags.raise_flag(f"gate-{number}", "done")
    runner.tend()
    _ended(jobs, runner, calls)
    assert [one.result for one in calls] == ["done"] * 6
    runner.stop()


def test_an_invocation_that_runs_alone_does_not_keep_other_work_from_a_pool(processes: Processes, jobs: Any) -> None:
    """The workers of a pool continue with other work; separate workers run the bodies that must run alone, and end
    after that.
    """
    runner = _runner(processes, "MultiThreadRunner", PYNENC__MAX_PROCESSES="1")
    calls = [jobs.neighbours.dies_unless("x"), jobs.basics.until("beside")]
    wait_until(lambda: "running_recovery" in _statuses(jobs, calls[0]), "a death", PATIENCE_SEC)
    flags.raise_flag("x")
    wait_until(lambda: str(calls[0].status) == "running", "it runs alone", PATIENCE_SEC)
    alone = int(wait_until(lambda: flags.flag_text("x-started"), "where"))
    others = {jobs.basics.whoami().get_result(timeout=60) for _ in range(3)}
    assert alone not in others
    flags.raise_flag("beside", "b")
    flags.raise_flag("x-go")
    assert [one.get_result(timeout=60) for one in calls] == ["lived", "b"]
    wait_until(lambda: not _exists(alone), "the worker for what runs alone ends", PATIENCE_SEC)
    runner.stop()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_invocation_that_runs_alone_keeps_its_queue(processes: Processes, jobs: Any) -> None:
    """A runner for some queues runs alone only invocations of these queues."""
    calls = list(itertools.chain(jobs.neighbours.innocent(number, 0.5) for number in range(3)))
    poisoned = jobs.neighbours.poisoned("segfault", 0.2)
    runner = _runner(processes, "MultiThreadRunner", PYNENC__QUEUES="default", PYNENC__MAX_RECOVERIES="1")
    _ended(jobs, runner, [*calls, poisoned])
    assert [one.result for one in calls] == [0, 1, 2]
    runner.stop()


def _three_poisoned_and_some_innocent(jobs: Any, runner: Supervised, task: Any, poisoned: Any) -> None:
    """Bodies that share a key run one after the other; each innocent one succeeds, each poisoned one becomes a dead
    letter.
    """
    calls = [task(number, 0.2) for number in range(3)]
    poison = [poisoned(how, 0.1) for how in POISONS]
    calls += [task(number, 0.2) for number in range(3, 6)]
    _ended(jobs, runner, [*calls, *poison], 300.0)
    assert [one.result for one in calls] == list(range(6))
    for one in poison:
        with pytest.raises(InvocationAbandonedError, match="2 times"):
            one.get_result(timeout=0)
    runner.stop()


def test_a_custom_runner_runs_bodies_of_a_dead_process_alone(
    processes: Processes, jobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYNENC__MAX_RECOVERIES", "1")
    runner = Supervised(lambda: processes.python("-m", "support.programs.own_runner"))
    _three_poisoned_and_some_innocent(jobs, runner, jobs.neighbours.innocent, jobs.neighbours.poisoned)


@pytest.mark.parametrize("runner_cls", ["ThreadRunner", "MultiThreadRunner"])
def test_an_invocation_that_runs_alone_keeps_its_key(
    processes: Processes, jobs: Any, monkeypatch: pytest.MonkeyPatch, runner_cls: str
) -> None:
    """One call of the task runs at a time, also alone, and the key of a dead letter becomes free."""
    monkeypatch.setenv("PYNENC__MAX_RECOVERIES", "1")
    beside = [jobs.neighbours.innocent(number, 0.3) for number in range(4)]
    runner = _runner(processes, runner_cls)
    neighbours = jobs.neighbours
    _three_poisoned_and_some_innocent(jobs, runner, neighbours.innocent_with_a_key, neighbours.poisoned_with_a_key)
    assert [one.get_result(timeout=0) for one in beside] == list(range(4))


def test_bodies_of_a_process_that_died_run_alone_on_a_cluster(
    processes: Processes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A Cluster with several shards, each with a separate queue for bodies that run alone."""
    set_environment(monkeypatch, tmp_path, StoreKind("cluster", lambda folder: shared_cluster().url, shared=True))
    monkeypatch.setenv("PYNENC__LEASE_SEC", LEASE_SEC)
    monkeypatch.setenv("PYNENC__MAX_RECOVERIES", "1")
    jobs = load_jobs()
    runner = _runner(processes, "MultiThreadRunner")
    _three_poisoned_and_some_innocent(jobs, runner, jobs.neighbours.innocent, jobs.neighbours.poisoned)
