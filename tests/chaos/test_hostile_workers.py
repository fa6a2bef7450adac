"""Worker processes that freeze (A6), and bodies that attack their event loop (E12), under load: nothing is lost."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support import flags
from support.chaos import CANARY_BATCH, Campaign, rounds, size
from support.processes import Processes, freeze
from support.waiting import wait_until
from support.worlds import STORES, StoreKind

WORKER_RUNNERS = ["PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
SHARED = [kind for kind in STORES if kind.shared]
SILENT = "has not answered for"
CASES = [
    pytest.param(kind, runner_cls, id=f"{kind.name}-{runner_cls}")
    for kind, runner_cls in itertools.product(SHARED, WORKER_RUNNERS)
    # The short form of all of them is in tests/crash/test_frozen_workers.py.
    if size() != "short" or (kind.name, runner_cls) == ("redis", "MultiThreadRunner")
]

Make = Callable[..., "Fleet"]


class Fleet(Campaign):
    """A campaign of runners with worker processes, of which the store and the runner stay and the workers do not."""

    def canary(self) -> float:
        """New tasks are done by whichever workers there are; how long it took."""
        began = time.monotonic()
        results = self.jobs.basics.add.parallelize([(number, 1) for number in range(CANARY_BATCH)]).results
        assert sorted(results) == list(range(1, CANARY_BATCH + 1))
        self.assert_same_runners()
        return time.monotonic() - began

    def said(self, text: str) -> int:
        """How often the runners have printed this."""
        return sum(runner.output().count(text) for runner in self.runners)


@pytest.fixture
def fleet(processes: Processes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int) -> Make:
    def make(row: str, what: str, url: str, runner_cls: str, **settings: str) -> Fleet:
        sizes = dict.fromkeys(("NUM_PROCESSES", "MIN_PROCESSES", "MAX_PROCESSES", "PROCESSES"), "2")
        settings = {"RUNNER_CLS": runner_cls, "CONCURRENCY": "4", **sizes, **settings}
        return Fleet(row, what, "kill of the process", url, processes, monkeypatch, tmp_path, seed, settings)

    return make


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize(("kind", "runner_cls"), CASES)
def test_a6_workers_that_freeze_under_load_are_replaced(
    fleet: Make, kind: StoreKind, runner_cls: str, tmp_path: Path
) -> None:
    count = rounds(1, 10, 100)
    what = f"worker process of {runner_cls} frozen (SIGSTOP) until its runner has told so, then SIGCONT: it is replaced"
    url = kind.url(tmp_path)
    run = fleet(f"A6 {runner_cls} {kind.name}", what, url, runner_cls, WORKER_SILENT_SEC="1.5")
    run.load(pause_sec=0.2)
    for number in range(count):
        held = run.jobs.basics.until(f"gate-{number}")
        run.ledger.write(kind="acked", id=held.invocation_id)
        pid = int(flags.await_flag(f"gate-{number}-started", 60))
        freeze([pid], url)
        wait_until(lambda told=number: run.said(SILENT) > told, "its runner tells so", 60)  # type: ignore[misc]
        flags.raise_flag(f"gate-{number}", "elsewhere")
        assert held.get_result(timeout=60) == "elsewhere"
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda one=pid: _is_gone(one), "it is told to end", 60)  # type: ignore[misc]
        run.assert_same_runners()
    run.finish(count)


@pytest.mark.parametrize("kind", SHARED, ids=lambda kind: kind.name)
def test_e12_bodies_that_attack_their_event_loop_under_load(fleet: Make, kind: StoreKind, tmp_path: Path) -> None:
    count = rounds(1, 5, 20)
    what = "body of AsyncRunner cancels all tasks of its loop, stops, closes or breaks it, or patches what it uses"
    url = kind.url(tmp_path)
    run = fleet(f"E12 {kind.name}", what, url, "AsyncRunner", MAX_RECOVERIES="1")
    run.load(pause_sec=0.2)
    acts = [act for _ in range(count) for act in run.jobs.hostile.ACTS]
    run.chance.shuffle(acts)
    for act in acts:
        attack = run.jobs.hostile.attack(act)
        run.ledger.write(kind="acked", id=attack.invocation_id)
        wait_until(lambda one=attack: one.status.is_final(), f"{act!r} ends", 60)  # type: ignore[misc]
        greeting = run.jobs.hostile.greet()
        run.ledger.write(kind="acked", id=greeting.invocation_id)
        assert greeting.get_result(timeout=60) == "hello", act
    run.finish(len(acts))
