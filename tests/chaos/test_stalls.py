"""Stalls of the store, or of all processes, for longer than a lease: no live claim runs again or counts a death.

Every runner gets one lease to renew its claims. The claims of a runner that died meanwhile are recovered after that.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.chaos import RUNNERS, SLOTS, Campaign, pause, rounds
from support.processes import Processes, descendants, freeze
from support.waiting import wait_until
from support.worlds import shared_redis

Make = Callable[..., Campaign]
LEASE_SEC = 2.0
HELD = RUNNERS * SLOTS

Urls = dict[str, Callable[[Path], str]]
URLS: Urls = {"sqlite": lambda folder: f"sqlite:///{folder / 'store.db'}", "redis": lambda folder: shared_redis().url}
KINDS = ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]


def _start(make: Make, processes: Processes, row: str, what: str, level: str, url: str, **settings: str) -> Campaign:
    """Two runners that work, and one that only recovers."""
    run = make(row, what, level, url, LEASE_SEC=str(LEASE_SEC), **settings)
    processes.started_runner(PYNENC__CONFIGRUNNER__QUEUES="nobody")
    return run


def _hold(run: Campaign, gate: str, count: int = HELD) -> dict[str, Any]:
    """Bodies that fill all slots until `gate` is raised, by id."""
    held = {one.invocation_id: one for one in run.jobs.chaos.held.parallelize([(gate, gate)] * count)}
    for invocation_id in held:
        run.ledger.write(kind="acked", id=invocation_id)
    wait_until(lambda: _runs(run, held) == len(held), "all of them run")
    return held


def _runs(run: Campaign, held: dict[str, Any]) -> int:
    return sum(event["id"] in held for event in run.ledger.of_kind("run"))


def _recoveries(run: Campaign, invocation: Any) -> int:
    history = run.jobs.app.state_backend.get_history(invocation.invocation_id)
    return sum(str(entry.status).endswith("_recovery") for entry in history)


def _nothing_ran_again(run: Campaign, gate: str, held: dict[str, Any]) -> None:
    # Long enough for each runner to renew its leases, and to search twice for dead runners.
    pause(1.5 * LEASE_SEC)
    flags.raise_flag(gate)
    for invocation in held.values():
        invocation.get_result(timeout=60)
    assert [_recoveries(run, one) for one in held.values()] == [0] * len(held)
    assert _runs(run, held) == len(held)


def test_s1_a_lock_held_for_two_leases_makes_nothing_run_again(
    campaign: Make, processes: Processes, tmp_path: Path
) -> None:
    times = rounds(1, 10, 50)
    what = "another process holds the lock of the database for two leases, with all slots at work"
    run = _start(campaign, processes, "S1 sqlite", what, "stall", URLS["sqlite"](tmp_path))
    for number in range(times):
        held = _hold(run, f"gate-{number}")
        holder = processes.python("-m", "support.programs.hold_lock", str(tmp_path / "store.db"), str(number))
        flags.await_flag(f"locked-{number}")
        pause(2 * LEASE_SEC)
        flags.raise_flag(f"unlock-{number}")
        assert holder.wait() == 0, holder.output()
        _nothing_ran_again(run, f"gate-{number}", held)
    verdict = run.finish(times)
    assert verdict.duplicates == 0


@pytest.mark.parametrize("store", URLS)
def test_s2_processes_frozen_together_for_three_leases_run_nothing_again(
    campaign: Make, processes: Processes, tmp_path: Path, store: str
) -> None:
    times = rounds(1, 10, 50)
    url = URLS[store](tmp_path)
    what = "all runners are frozen for three leases (SIGSTOP, SIGCONT), with all slots at work"
    run = _start(campaign, processes, f"S2 {store}", what, "stall", url)
    for number in range(times):
        held = _hold(run, f"gate-{number}")
        _freeze_all(run, processes, url)
        _nothing_ran_again(run, f"gate-{number}", held)
    verdict = run.finish(times)
    assert verdict.duplicates == 0


def _freeze_all(run: Campaign, processes: Processes, url: str) -> None:
    everyone = {child.pid for child in processes.children if child.process.poll() is None}
    everyone |= {below for pid in everyone for below in descendants(pid)}
    freeze(everyone, url)
    pause(3 * LEASE_SEC)
    order = sorted(everyone)
    run.chance.shuffle(order)
    for pid in order:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("runner_cls", KINDS)
def test_workers_of_any_kind_frozen_together_run_nothing_again(
    campaign: Make, processes: Processes, tmp_path: Path, runner_cls: str
) -> None:
    url = URLS["sqlite"](tmp_path)
    sizes = dict.fromkeys(("NUM_PROCESSES", "MIN_PROCESSES", "MAX_PROCESSES", "PROCESSES"), "3")
    more = {"CONCURRENCY": "3", "MAX_THREADS": "3", "RUNNER_CLS": runner_cls}
    run = _start(campaign, processes, "", "", "", url, **sizes, **more)
    held = _hold(run, "gate", 6)
    _freeze_all(run, processes, url)
    _nothing_ran_again(run, "gate", held)


@pytest.mark.parametrize("store", URLS)
def test_invocations_of_a_runner_that_died_in_a_stall_are_recovered(
    campaign: Make, processes: Processes, tmp_path: Path, store: str
) -> None:
    url = URLS[store](tmp_path)
    run = _start(campaign, processes, "", "", "", url)
    held = _hold(run, "gate")
    dead = run.runners.pop()
    lost = {event["id"] for event in run.ledger.of_kind("run") if event["pid"] == dead.pid}
    assert len(lost) == SLOTS
    freeze([child.pid for child in processes.children], url)
    dead.process.kill()
    pause(3 * LEASE_SEC)
    for child in processes.children:
        if child is not dead:
            child.send(signal.SIGCONT)
    wait_until(lambda: sum(_recoveries(run, held[one]) for one in lost) == SLOTS, "they are recovered")
    flags.raise_flag("gate")
    for invocation in held.values():
        invocation.get_result(timeout=60)
    assert {one for one, invocation in held.items() if _recoveries(run, invocation)} == lost
