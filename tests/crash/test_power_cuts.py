"""The power of a SQLite store fails: acknowledged invocations survive, whatever the disk had not flushed (C9).

The test records the writes and flushes of working runners and clients, and replays them up to random places. The store
opens each image of the disk and is asked for every earlier acknowledgement.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.chaos import keep, rounds
from support.power import (
    DATABASE_VARIABLE,
    FOLDER,
    JOURNAL_VARIABLE,
    MAIN,
    MODES,
    SYNC_END,
    WAL,
    WRITE,
    Disk,
    Record,
    built,
    digest,
    places,
    records_of,
    same_as_on_disk,
    write_image,
)
from support.processes import Processes
from support.waiting import wait_until
from support.worlds import StoreKind, load_jobs, set_environment

from pynenc import _core
from pynenc.exceptions import InvocationNotFoundError

pytestmark = pytest.mark.alone

PLACES = rounds(30, 100, 300)
CALLS = rounds(300, 1500, 3000)
"""Of each client."""
RUNNERS = ("ThreadRunner", "MultiThreadRunner")
CLIENTS = 2
DEAF = ((MAIN, WAL, FOLDER), (WAL,), (MAIN,))
"""Disks that flush none of these files but claim to."""


@dataclass
class Recorded:
    """The operations of an app's processes on its files, and a similar environment."""

    records: list[Record]
    folder: Path


@dataclass
class Verdict:
    """The findings in all images."""

    images: int = 0
    checked: int = 0
    """Acknowledgements that were asked for."""
    submitted: int = 0
    lost: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def _recorded(processes: Processes, folder: Path, monkeypatch: pytest.MonkeyPatch, durability: str) -> Recorded:
    """Run two runners and two clients until the clients have read their results, then stop in order."""
    database, journal = folder / "store" / "app.db", folder / "journal"
    database.parent.mkdir()
    kind = StoreKind("sqlite", lambda _: f"sqlite:///{database}", shared=True, settings={"DURABILITY": durability})
    set_environment(monkeypatch, folder, kind)
    journal.touch()
    monkeypatch.setenv(DATABASE_VARIABLE, str(database))
    monkeypatch.setenv(JOURNAL_VARIABLE, str(journal))
    preload = {"LD_PRELOAD": str(built(folder))}
    runners = [
        processes.started_runner(PYNENC__RUNNER_CLS=name, PYNENC__MAX_THREADS="4", **preload) for name in RUNNERS
    ]
    program = "support.programs.power_load"
    clients = [processes.python("-m", program, f"client{n}", str(CALLS), **preload) for n in range(CLIENTS)]
    for client in clients:
        assert client.wait(600) == 0, client.output()
    for runner in runners:
        runner.send(signal.SIGTERM)
        assert runner.wait() == 0, runner.output()
    records = records_of(journal)
    assert list(same_as_on_disk(records, database)) == [], "the journal says what the disk has"
    kinds = Counter(record.kind for record in records)
    print(f"{durability}: {len(records)} records, {kinds[WRITE]} writes, {kinds[SYNC_END]} flushes")
    return Recorded(records, folder)


def _replay(
    recorded: Recorded, seed: int, modes: tuple[str, ...] = MODES, deaf: Collection[int] = (), count: int = PLACES
) -> Verdict:
    """Cut the power at many places, and inspect the remains."""
    chance, verdict = random.Random(seed), Verdict()
    disk = Disk(recorded.records, deaf)
    for place in places(recorded.records, count, chance):
        disk.advance(place)
        for mode in modes:
            _look_at_image(recorded, disk, mode, chance, verdict)
    return verdict


def _look_at_image(recorded: Recorded, disk: Disk, mode: str, chance: random.Random, verdict: Verdict) -> None:
    database = recorded.folder / "replayed.db"
    write_image(database, disk.images(mode, chance))
    verdict.images += 1
    where = f"cut at {disk.at}, {mode}"
    try:
        store = _core.Store.open(f"sqlite:///{database}", app_id=os.environ["PYNENC__APP_ID"])
        try:
            _ask(store, disk.acks, where, verdict)
        finally:
            store.close()
        with sqlite3.connect(database) as connection:
            [answer] = connection.execute("PRAGMA integrity_check").fetchone()
        connection.close()
    except Exception as error:
        verdict.broken.append(f"{where}: {error!r}")
    else:
        if answer != "ok":
            verdict.broken.append(f"{where}: {answer}")


def _ask(store: _core.Store, acks: list[dict[str, Any]], where: str, verdict: Verdict) -> None:
    """Look up every acknowledgement."""
    submitted = [id for ack in acks for id in ack.get("submitted", ())]
    outcomes = {ack["outcome"]: (ack["status"], ack["digest"]) for ack in acks if "outcome" in ack}
    verdict.submitted = max(verdict.submitted, len(submitted))
    verdict.checked += len(submitted) + len(outcomes)
    found = _terminals(store, submitted, where, verdict)
    for id, told in outcomes.items():
        terminal = found.get(id)
        if terminal is None:
            verdict.lost.append(f"{where}: the outcome of {id}")
        elif (terminal[1], digest(terminal[2])) != told:
            verdict.changed.append(f"{where}: {id} was {told} and is {terminal[1]}")


def _terminals(store: _core.Store, ids: list[str], where: str, verdict: Verdict) -> dict[str, _core.Terminal]:
    """The outcomes there are; ids that the store does not know are lost."""
    found: dict[str, _core.Terminal] = {}
    for first in range(0, len(ids), 500):
        some = ids[first : first + 500]
        try:
            terminals = store.terminals(some)
        except InvocationNotFoundError:
            terminals = [_terminal(store, id, where, verdict) for id in some]
        found |= {terminal[0]: terminal for terminal in terminals if terminal is not None}
    return found


def _terminal(store: _core.Store, id: str, where: str, verdict: Verdict) -> _core.Terminal | None:
    try:
        return store.terminals([id])[0]
    except InvocationNotFoundError:
        verdict.lost.append(f"{where}: {id}")
        return None


@pytest.mark.timeout(3600)
def test_power_cuts_at_random_places_lose_nothing_that_was_acknowledged(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    recorded = _recorded(processes, tmp_path, monkeypatch, "full")
    verdict = _replay(recorded, seed)
    print(f"seed {seed}: {verdict.images} images, {verdict.checked} acknowledgements checked")
    assert (verdict.lost, verdict.changed, verdict.broken) == ([], [], [])
    assert verdict.images == PLACES * len(MODES)
    assert verdict.submitted >= CALLS

    # The test must detect a disk that claims to flush and does not; otherwise it could detect nothing.
    for deaf in DEAF:
        found = _replay(recorded, seed, deaf=deaf, count=20)
        print(f"without flushes of {deaf}: {len(found.lost)} lost, {len(found.broken)} broken")
        assert found.lost or found.broken, f"nothing is found without flushes of {deaf}"

    _finish(recorded, seed, processes, monkeypatch)
    what = "power cut at a random place of the writes of two runners and two clients: what was not flushed is lost, "
    what += f"kept by sectors in any order, or torn ({len(MODES)} images each, {verdict.checked:,} checks)"
    figures = {"acknowledged": verdict.submitted, "lost": 0, "ghosts": 0, "double_results": 0, "unfinished": 0}
    keep("C9 sqlite", what, "power cut (replayed)", PLACES, seed, duplicates=0, checked=verdict.checked, **figures)


def _finish(recorded: Recorded, seed: int, processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a cut in the middle of the work, a runner finishes the accepted calls."""
    chance = random.Random(seed)
    disk = Disk(recorded.records)
    disk.advance(len(recorded.records) // 2)
    database = recorded.folder / "finished.db"
    write_image(database, disk.images("random", chance))
    monkeypatch.setenv("PYNENC__STORE_URL", f"sqlite:///{database}")
    monkeypatch.setenv("PYNENC__LEASE_SEC", "2")
    app = load_jobs().app
    runner = processes.started_runner()
    ids = [id for ack in disk.acks for id in ack.get("submitted", ())]
    assert ids
    wait_until(lambda: None not in app._runtime.store.terminals(ids), "everything that was accepted is finished", 120)
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()


@pytest.mark.timeout(1200)
def test_with_normal_durability_a_power_cut_takes_the_last_moments_and_nothing_else(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """`normal` survives the death of processes; a power cut may take unflushed writes, and damages nothing."""
    recorded = _recorded(processes, tmp_path, monkeypatch, "normal")
    count = max(PLACES // 3, 10)
    alive = _replay(recorded, seed, modes=("all",), count=count)
    assert (alive.lost, alive.changed, alive.broken) == ([], [], [])
    cut = _replay(recorded, seed, count=count)
    assert (cut.changed, cut.broken) == ([], [])
    assert cut.lost, "without flushes something is lost: the tool sees the difference"
    assert _lost_before_a_flush(recorded, seed, count) == []


def _lost_before_a_flush(recorded: Recorded, seed: int, count: int) -> list[str]:
    """Return the calls that are missing after a cut although the log was flushed after their acknowledgement."""
    chance, verdict = random.Random(seed), Verdict()
    disk = Disk(recorded.records)
    for place in places(recorded.records, count, chance):
        disk.advance(place)
        flushed = disk.acknowledged_before_flush()
        kept, disk.acks = disk.acks, disk.acks[:flushed]
        _look_at_image(recorded, disk, "lost", chance, verdict)
        disk.acks = kept
    return verdict.lost + verdict.broken
