"""Servers that go back in time, five times in a row: no invocation stays running without a runner, and no wait is
endless.

Invocations that the server has lost are lost or run again. All others end once and do not run again.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.chaos import SLOTS, Campaign, pause, rounds
from support.ledger import Ledger
from support.oracle import final_ids, judge
from support.processes import Child, Processes
from support.time_travel import WAYS, Snapshots, TimeMachine
from support.waiting import wait_until
from support.worlds import RUNNERS, RunnerKind, StoreKind, World, load_jobs, set_environment

from pynenc.exceptions import InvocationNotFoundError

Make = Callable[..., Campaign]
LEASE_SEC = 10.0
OTHER_KINDS = ["MultiThreadRunner", "AsyncRunner"]
CUTS = 5


@pytest.mark.parametrize("way", WAYS)
def test_t1_five_journeys_in_a_row_under_load_leave_nothing_stuck(
    campaign: Make, processes: Processes, way: str, seed: int
) -> None:
    cuts, each = rounds(CUTS, CUTS, 25), rounds(40, 200, 400)
    with WAYS[way](random.Random(seed)) as machine:
        row = f"T{list(WAYS).index(way) + 1}"
        run = campaign(row, f"{way}, under load", "time travel", machine.url, LEASE_SEC=str(LEASE_SEC))
        sizes = {"PYNENC__MAX_PROCESSES": "1", "PYNENC__PROCESSES": "1", "PYNENC__CONCURRENCY": "4"}
        others = [processes.started_runner(PYNENC__RUNNER_CLS=runner_cls, **sizes) for runner_cls in OTHER_KINDS]
        run.load(pause_sec=0.05)
        healed = [_journey(run, machine, number, each) for number in range(cuts)]
        _finish(run, others, cuts, healed)


def _journey(run: Campaign, machine: TimeMachine, number: int, each: int) -> float:
    """Run one round with bodies that run at the point to which the server returns; return the time until none was
    stuck.
    """
    machine.prepare()
    run.await_progress(each)
    toils = _submit(run, [(f"toil-{number}-{n}", 0.5) for n in range(2 * SLOTS)])
    blocked = _submit_under_a_key(run, f"before-{number}", 3)
    _await_running(run, [*toils, *blocked])
    run.ledger.write(kind="mark", cut=number)
    machine.remember()
    flags.raise_flag(f"before-{number}")
    for invocation in [*toils, *blocked]:
        invocation.get_result(timeout=60)
    run.await_progress(each)
    machine.travel()
    began = time.monotonic()
    blocked += _submit_under_a_key(run, f"after-{number}", 3)
    flags.raise_flag(f"after-{number}")
    wait_until(lambda: _all_final(run, [*toils, *blocked]), "nothing is stuck", 60)
    took = time.monotonic() - began
    run.await_recovery()
    run.ledger.write(kind="back", cut=number)
    return took


def _submit(run: Campaign, arguments: list[tuple[str, float]]) -> list[Any]:
    invocations = list(run.jobs.chaos.toil.parallelize(arguments))
    for invocation in invocations:
        run.ledger.write(kind="acked", id=invocation.invocation_id)
    return invocations


def _submit_under_a_key(run: Campaign, name: str, count: int) -> list[Any]:
    """Calls of which one runs at a time; the gate with their name lets them end."""
    invocations = list(run.jobs.controls.one_at_a_time.parallelize([(name,)] * count))
    for invocation in invocations:
        run.ledger.write(kind="acked", id=invocation.invocation_id)
    return invocations


def _await_running(run: Campaign, invocations: list[Any]) -> None:
    """Some run while the others wait: for a slot, or for the key."""
    wait_until(lambda: sum(str(one.status) == "running" for one in invocations) >= 3, "some of them run", 60)


def _all_final(run: Campaign, invocations: list[Any]) -> bool:
    get = run.jobs.app.orchestrator.get_invocation_status
    return all(get(one.invocation_id).is_final() for one in invocations)


def _finish(run: Campaign, others: list[Child], cuts: int, healed: list[float]) -> None:
    flags.raise_flag("stop")
    for child in run.clients:
        assert child.wait(180) == 0, child.output()
    app, events = run.jobs.app, run.ledger.events()
    final = run._final
    wait_until(lambda: app.orchestrator.count_invocations() == final(), "everything is finished", 2 * LEASE_SEC)
    verdict = judge(app, run.ledger)
    for child in others:
        child.send(signal.SIGTERM)
        assert child.wait() == 0, child.output()
    canary = run.canary()
    forgotten, unjustly = _forgotten(app, events)
    print(f"seed {run.seed}: {run.what}: {cuts} times, {verdict}, {forgotten} forgotten, healed within {max(healed)} s")
    assert (verdict.ghosts, verdict.double_results, verdict.unfinished) == (0, 0, 0)
    assert unjustly == set()
    assert _ran_again_though_known(events) == set()
    assert max(healed) < LEASE_SEC, healed
    figures = {"forgotten": forgotten, "surfaced": len(run.ledger.of_kind("surfaced"))}
    just = replace(verdict, lost=len(unjustly))
    run.keep(cuts, just, **figures, worst_heal_sec=round(max(healed), 2), canary_sec=round(canary, 2))


def _forgotten(app: Any, events: list[dict[str, Any]]) -> tuple[int, set[str]]:
    """Return how many accepted calls are lost, and how many of them were accepted before the time of the return."""
    travelling, gone, unjustly, kept = False, 0, set(), final_ids(app)
    for event in events:
        if event["kind"] in ("mark", "back"):
            travelling = event["kind"] == "mark"
        elif event["kind"] == "acked" and event["id"] not in kept:
            gone += 1
            if not travelling:
                unjustly.add(event["id"])
    return gone, unjustly


def _ran_again_though_known(events: list[dict[str, Any]]) -> set[str]:
    """Return the calls that were read before the point to which the server returned, and ran after it."""
    read: set[str] = set()
    known: set[str] = set()
    again: set[str] = set()
    for event in events:
        if event["kind"] == "read":
            read.add(event["id"])
        elif event["kind"] == "mark":
            known = set(read)
        elif event["kind"] == "run" and event["id"] in known:
            again.add(event["id"])
    return again


@pytest.mark.parametrize("work", ["idle", "busy"])
@pytest.mark.parametrize("kind", RUNNERS, ids=lambda kind: kind.name)
def test_a_runner_of_any_kind_gives_back_what_the_server_says_it_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: RunnerKind, work: str, seed: int
) -> None:
    # A worker of ProcessRunner ends with its invocation; claims that it owns again wait for the end of the lease.
    by_lease = kind.name == "process"
    with WAYS["restart from an older snapshot"](random.Random(seed)) as machine:
        set_environment(monkeypatch, tmp_path, StoreKind("redis", lambda folder: machine.url, shared=True))
        monkeypatch.setenv("PYNENC__LEASE_SEC", "2" if by_lease else "600")
        world = World(StoreKind("redis", lambda folder: machine.url, shared=True), kind, load_jobs())
        jobs, ledger = world.jobs, Ledger.of_environment()
        world.start(slots=4)
        long = [jobs.chaos.held("long", "long")] if work == "busy" else []
        brief = [jobs.chaos.held("brief", "brief"), jobs.controls.one_at_a_time("brief")]
        wait_until(lambda: all(str(one.status) == "running" for one in [*long, *brief]), "all of them run")
        machine.remember()
        flags.raise_flag("brief")
        for invocation in brief:
            invocation.get_result(timeout=60)
        forgotten = jobs.basics.add(1, 1)
        assert forgotten.get_result(timeout=60) == 2
        machine.travel()
        status = world.app.orchestrator.get_invocation_status
        wait_until(lambda: all(status(one.invocation_id).is_final() for one in brief), "nothing is stuck")
        # The key is free.
        flags.raise_flag("next")
        assert jobs.controls.one_at_a_time("next").get_result(timeout=60) == "next"
        for invocation in brief:
            trail = [str(entry.status) for entry in world.app.state_backend.get_history(invocation.invocation_id)]
            assert trail.count("success") == 1, trail
            assert by_lease or not any(status.endswith("_recovery") for status in trail), trail
        with pytest.raises(InvocationNotFoundError):
            status(forgotten.invocation_id)
        flags.raise_flag("long")
        for invocation in long:
            invocation.get_result(timeout=60)
            assert sum(event["id"] == invocation.invocation_id for event in ledger.of_kind("run")) == 1
        world.close()


def test_a_client_that_waits_for_a_forgotten_invocation_gets_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, processes: Processes, seed: int
) -> None:
    with WAYS["restart from an older snapshot"](random.Random(seed)) as machine:
        assert isinstance(machine, Snapshots)
        set_environment(monkeypatch, tmp_path, StoreKind("redis", lambda folder: machine.url, shared=True))
        jobs = load_jobs()
        processes.started_runner(PYNENC__CONFIGRUNNER__QUEUES="default", PYNENC__MAX_THREADS="2")
        parent = jobs.chaos.wait_for_a_child("gate")
        flags.await_flag("gate-runs")
        machine.remember()
        flags.raise_flag("gate")
        flags.await_flag("gate-waits")
        # No runner takes it.
        waited_for = [jobs.controls.in_slow_lane("x") for _ in range(2)]

        async def waits() -> list[BaseException | str]:
            thread = asyncio.to_thread(waited_for[0].get_result, 60)
            answers = asyncio.gather(thread, waited_for[1].async_result(), return_exceptions=True)
            await asyncio.sleep(0)
            # On this thread: a server ends with the thread that has started it.
            machine.travel()
            return await answers

        answers = asyncio.run(waits())
        assert [type(answer) for answer in answers] == [InvocationNotFoundError] * 2, answers
        assert parent.get_result(timeout=60) == "forgotten"
        flags.raise_flag("gate-child")


_COPY = """
import sqlite3, sys
source, target = (sqlite3.connect(path, timeout=60) for path in sys.argv[1:])
source.backup(target)
"""


@pytest.mark.parametrize("work", ["idle", "busy"])
def test_a_backup_that_is_restored_into_a_database_in_use_leaves_nothing_stuck(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, processes: Processes, work: str
) -> None:
    """Restore in place, like the backup of SQLite, so that the file stays the same."""
    path, saved, lease_sec = tmp_path / "store.db", tmp_path / "saved.db", 2.0
    set_environment(monkeypatch, tmp_path, StoreKind("sqlite", lambda folder: f"sqlite:///{path}", shared=True))
    monkeypatch.setenv("PYNENC__LEASE_SEC", str(lease_sec))
    jobs, ledger = load_jobs(), Ledger.of_environment()
    processes.started_runner(PYNENC__MAX_THREADS="4")
    long = [jobs.chaos.held("long", "long")] if work == "busy" else []
    brief = [jobs.chaos.held("brief", "brief"), jobs.controls.one_at_a_time("brief")]
    wait_until(lambda: all(str(one.status) == "running" for one in [*long, *brief]), "all of them run")
    # In another process: to close the file here would end the locks of the store that this process has open.
    assert processes.python("-c", _COPY, str(path), str(saved)).wait() == 0
    flags.raise_flag("brief")
    for invocation in brief:
        invocation.get_result(timeout=60)
    forgotten = jobs.basics.add(1, 1)
    assert forgotten.get_result(timeout=60) == 2
    # The silence since the backup then looks like a stall.
    pause(lease_sec)
    assert processes.python("-c", _COPY, str(saved), str(path)).wait() == 0
    get = jobs.app.orchestrator.get_invocation_status
    wait_until(lambda: all(get(one.invocation_id).is_final() for one in brief), "nothing is stuck")
    flags.raise_flag("next")
    assert jobs.controls.one_at_a_time("next").get_result(timeout=60) == "next"
    for invocation in brief:
        trail = [str(entry.status) for entry in jobs.app.state_backend.get_history(invocation.invocation_id)]
        assert trail.count("success") == 1, trail
        assert not any(status.endswith("_recovery") for status in trail), trail
    with pytest.raises(InvocationNotFoundError):
        get(forgotten.invocation_id)
    flags.raise_flag("long")
    for invocation in long:
        invocation.get_result(timeout=60)
        assert sum(event["id"] == invocation.invocation_id for event in ledger.of_kind("run")) == 1
