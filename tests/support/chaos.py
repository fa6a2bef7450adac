"""Faults under load: runners and clients that continue, a verdict at the end, and a record of it."""

from __future__ import annotations

import datetime
import json
import os
import random
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.ledger import Ledger, Tally
from support.oracle import Verdict, judge
from support.processes import Child, Processes
from support.waiting import wait_until
from support.worlds import StoreKind, load_jobs, set_environment

SIZE_VARIABLE = "PYNENC_CHAOS_SIZE"
"""`short` (the default, inside `make test`), `medium`, or `full` (`make chaos`)."""
RESULTS_VARIABLE = "PYNENC_CHAOS_RESULTS"
"""The folder for measurements; none by default."""
SIZES = ("short", "medium", "full")
LEASE_SEC = 2.0
CLIENTS = 2
RUNNERS = 2
SLOTS = 4
CANARY_BATCH = 40


def size() -> str:
    """How many rounds are wanted."""
    chosen = os.environ.get(SIZE_VARIABLE) or SIZES[0]
    assert chosen in SIZES, f"{SIZE_VARIABLE} must be one of {SIZES}, got {chosen!r}"
    return chosen


def rounds(short: int, medium: int, full: int) -> int:
    """The number for the size that was chosen."""
    return dict(zip(SIZES, (short, medium, full), strict=True))[size()]


def pause(seconds: float) -> None:
    """Keep up a fault for its duration. Not a way for a test to wait for a condition."""
    time.sleep(seconds)


@dataclass
class Campaign:
    """One app with runners and clients, on a store with faults."""

    row: str
    """Its place in the catalogue of faults."""
    what: str
    level: str
    """Which durability the run shows."""
    url: str
    processes: Processes
    monkeypatch: pytest.MonkeyPatch
    folder: Path
    seed: int
    settings: dict[str, str] = field(default_factory=dict)
    runners: list[Child] = field(default_factory=list)
    clients: list[Child] = field(default_factory=list)
    recovered_sec: list[float] = field(default_factory=list)
    """How long after each fault every worker was at work again."""
    jobs: Any = None

    def __post_init__(self) -> None:
        set_environment(self.monkeypatch, self.folder, StoreKind(self.row, lambda folder: self.url, shared=True))
        settings = {"LEASE_SEC": str(LEASE_SEC), "MAX_THREADS": str(SLOTS), **self.settings}
        for name, value in settings.items():
            self.monkeypatch.setenv(f"PYNENC__{name}", value)
        self.jobs = load_jobs()
        self.ledger = Ledger.of_environment()
        self._acked = Tally(self.ledger, "acked")
        self.chance = random.Random(self.seed)
        self.runners = [self.processes.started_runner() for _ in range(RUNNERS)]

    def load(self, pause_sec: float = 0.0) -> None:
        """Begin to submit and to read, each client a batch and then a pause, and wait until it flows."""
        program = "support.programs.closed_loop"
        self.clients = [self.processes.python("-m", program, f"client{n}", str(pause_sec)) for n in range(CLIENTS)]
        self.await_progress(1)

    def acknowledged(self) -> int:
        """How many submissions the clients know of as accepted."""
        return self._acked.count()

    def await_progress(self, more: int) -> None:
        """Block until so many more are accepted."""
        goal = self.acknowledged() + more

        def look() -> bool:
            for child in self.clients:
                assert child.process.poll() is None, child.output()
            self.assert_same_runners()
            return self.acknowledged() >= goal

        wait_until(look, f"{more} submissions more", 120)

    def await_recovery(self) -> float:
        """Block until every worker runs bodies again, after a fault that has just ended; how long that took."""
        began, since = time.monotonic(), self.ledger.size()
        pids = {runner.pid for runner in self.runners}

        def at_work() -> bool:
            self.assert_same_runners()
            return pids <= {event["pid"] for event in self.ledger.events(since) if event["kind"] == "run"}

        wait_until(at_work, "every worker runs bodies again", 120)
        self.recovered_sec.append(time.monotonic() - began)
        return self.recovered_sec[-1]

    def assert_same_runners(self) -> None:
        """No worker has ended."""
        for child in self.runners:
            assert child.process.poll() is None, child.output()

    def finish(self, count: int, **more: Any) -> Verdict:
        """Stop the load, judge, try the canary, and keep the figures."""
        flags.raise_flag("stop")
        for child in self.clients:
            assert child.wait(180) == 0, child.output()
        app = self.jobs.app
        wait_until(lambda: app.orchestrator.count_invocations() == self._final(), "everything is finished", 120)
        for event in self.ledger.of_kind("read"):
            value = app.state_backend.get_result(event["id"])
            self.ledger.write(kind="read", id=event["id"], value=value)
        verdict = judge(app, self.ledger)
        canary = self.canary()
        print(f"seed {self.seed}: {self.row} {self.what}: {count} times, {verdict}, canary {canary:.2f} s")
        assert verdict.acknowledged > 0
        assert (verdict.lost, verdict.ghosts, verdict.double_results, verdict.unfinished) == (0, 0, 0, 0)
        surfaced = len(self.ledger.of_kind("surfaced"))
        self.keep(count, verdict, canary_sec=round(canary, 2), surfaced=surfaced, **more)
        return verdict

    def _final(self) -> int:
        from pynenc.invocation import InvocationStatus

        statuses = [str(status) for status in InvocationStatus.get_final_statuses()]
        return int(self.jobs.app.orchestrator.count_invocations(statuses=statuses))

    def canary(self) -> float:
        """New tasks are done by the workers that were there before; how long it took."""
        began = time.monotonic()
        pids = {runner.pid for runner in self.runners}
        group = self.jobs.basics.whoami.parallelize([() for _ in range(CANARY_BATCH)])
        assert set(group.results) <= pids
        self.assert_same_runners()
        return time.monotonic() - began

    def revoked(self) -> int:
        """How many claims were taken away from their runners."""
        taken = ("running_recovery", "pending_recovery")
        return sum(
            str(entry.status) in taken
            for event in self.ledger.of_kind("acked")
            for entry in self.jobs.app.state_backend.get_history(event["id"])
        )

    def keep(self, count: int, verdict: Verdict, **more: Any) -> None:
        """Add the figures to those of this run of the tests."""
        if self.recovered_sec:
            more["worst_recovery_sec"] = round(max(self.recovered_sec), 2)
        keep(self.row, self.what, self.level, count, self.seed, **asdict(verdict), **more)


def keep(row: str, what: str, level: str, count: int, seed: int, **figures: Any) -> None:
    """Write one row of the table, in place of that of an earlier run."""
    target = os.environ.get(RESULTS_VARIABLE)
    if not target:
        return
    path = Path(target)
    rows: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    rows[row] = {
        **{"what": what, "level": level, "size": size(), "times": count},
        **{"date": datetime.date.today().isoformat(), "seed": seed, **figures},
    }
    path.write_text(json.dumps(dict(sorted(rows.items())), indent=2) + "\n")
