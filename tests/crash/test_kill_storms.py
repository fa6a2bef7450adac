"""Runners and workers killed at random under load (A2): no call is lost, and interrupted bodies run again soon."""

from __future__ import annotations

import contextlib
import math
import os
import random
import re
import signal
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import pytest
from support import flags
from support.bars import assert_within
from support.chaos import keep, pause, size
from support.ledger import Ledger, Tally
from support.oracle import judge
from support.processes import Child, Processes, descendants
from support.waiting import wait_until
from support.worlds import load_jobs

pytestmark = pytest.mark.alone

FULL = size() == "full"
LEASE_SEC = 2.0
CLASSES = ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
FLEET = 3
"""So many runners at a time."""
REPEATED = 5
"""The storm in so many parts: the bar in seconds is for the median of them."""


@dataclass(frozen=True)
class Kill:
    """One kill, which may end several processes."""

    at: float
    part: int
    whole: bool
    """Whether the runner itself was killed, so that a lease must expire."""


@dataclass
class Fleet:
    """Runners of any kind; each killed runner is replaced by one of any kind."""

    processes: Processes
    chance: random.Random
    runners: list[Child] = field(default_factory=list)
    kills: dict[int, list[Kill]] = field(default_factory=lambda: defaultdict(list))
    """Records by process; the system may reuse a process id."""

    def start(self, runner_cls: str | None = None) -> None:
        """Start another runner without waiting for it."""
        sizes = dict.fromkeys(("NUM_PROCESSES", "MIN_PROCESSES", "MAX_PROCESSES", "PROCESSES"), "2")
        sizes |= {"CONCURRENCY": "2", "MAX_THREADS": "2", "RUNNER_CLS": runner_cls or self.chance.choice(CLASSES)}
        self.runners.append(self.processes.runner(**{f"PYNENC__{name}": value for name, value in sizes.items()}))

    def strike(self, part: int) -> None:
        """Send SIGKILL to one of the runners, or to a process below it."""
        runner = self.chance.choice(self.runners)
        below = sorted(descendants(runner.pid))
        victim = self.chance.choice([runner.pid] * max(1, len(below)) + below)
        kill = Kill(time.time(), part, victim == runner.pid)
        for pid in [victim, *descendants(victim)]:
            self.kills[pid].append(kill)
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        if kill.whole:
            self.runners.remove(runner)
            runner.wait()
            self.start()

    def stop(self) -> None:
        """All of them, in order."""
        for runner in self.runners:
            runner.send(signal.SIGTERM)
        for runner in self.runners:
            assert runner.wait() == 0, runner.output()


@pytest.fixture
def jobs(shared_env: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYNENC__LEASE_SEC", str(LEASE_SEC))
    # The number of deaths of a worker with an invocation is random here and must not count.
    monkeypatch.setenv("PYNENC__MAX_RECOVERIES", "1000")
    return load_jobs()


def _again_after(jobs: Any, ledger: Ledger, fleet: Fleet) -> tuple[list[tuple[Kill, float]], int]:
    """Return, for each claim that a kill ended, the time until the next run began, without the backoff after a death;
    and the number of claims that were taken back.
    """
    found, taken_back = [], 0
    for invocation_id in {event["id"] for event in ledger.of_kind("acked")}:
        claimed: Any = None
        blow: Kill | None = None
        deaths = 0
        for entry in jobs.app.state_backend.get_history(invocation_id):
            status, at = str(entry.status), entry.timestamp.timestamp()
            if status in ("pending_recovery", "running_recovery"):
                taken_back += 1
                deaths += status == "running_recovery"
                # The last run, if the runner that took it over was killed before it began.
                blow = _blow_to(fleet, claimed, at) or blow
            elif status == "pending":
                claimed = entry
            elif status == "running":
                claimed = entry
                if blow is not None:
                    found.append((blow, at - blow.at - _backoff_sec(deaths)))
                blow = None
    return found, taken_back


def _backoff_sec(deaths: int) -> float:
    """As `RecoveryPolicy` has it: a body that takes its workers with it must not do so without a pause."""
    return 0.0 if deaths < 2 else min(0.5 * 2 ** min(deaths - 2, 6), 30.0)


def _blow_to(fleet: Fleet, claim: Any, recovered_at: float) -> Kill | None:
    """The kill of the process that had this claim; None if a lease ended that a busy machine was too slow to renew."""
    owner = re.search(r"-(\d+)\)#", claim.runner)
    assert owner is not None, f"no runner in {claim}"
    since = claim.timestamp.timestamp()
    return next((kill for kill in fleet.kills[int(owner[1])] if since - 0.05 <= kill.at <= recovered_at), None)


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[math.ceil(0.99 * len(seconds)) - 1]


def _by_part(again: list[tuple[Kill, float]], whole: bool, parts: range) -> Iterator[float]:
    for part in parts:
        took = [seconds for kill, seconds in again if (kill.part, kill.whole) == (part, whole)]
        if took:
            yield _p99(took)


@pytest.mark.timeout(3600 if FULL else 400)
def test_runners_and_workers_killed_at_random_under_load_lose_nothing_and_run_again_soon(
    processes: Processes, jobs: Any, ledger: Ledger, seed: int
) -> None:
    """99 % of the bodies that a kill interrupts run again within a lease and a second: median of five parts of the
    storm.
    """
    fleet = Fleet(processes, random.Random(seed))
    for runner_cls in CLASSES[:FLEET]:
        fleet.start(runner_cls)
    assert_within(LEASE_SEC + 1.0, lambda number: _storm(processes, jobs, ledger, fleet, number, seed))
    fleet.stop()


def _storm(processes: Processes, jobs: Any, ledger: Ledger, fleet: Fleet, number: int, seed: int) -> float:
    """Return the time until 99 % of the interrupted bodies ran again."""
    kills, least, pauses = (200, 100_000, (0.3, 2.0)) if FULL else (60, 5_000, (0.1, 0.5))
    parts = range(REPEATED * number, REPEATED * (number + 1))
    runs, stop = Tally(ledger, "run"), f"stop-{number}"
    feeder = processes.python("-m", "support.programs.feeder", f"client-{number}", str(least), "0.01", stop)
    for kill in range(kills):
        pause(fleet.chance.uniform(*pauses))
        goal = runs.count() + 10
        wait_until(lambda goal=goal: runs.count() >= goal, "work goes on", 60)
        fleet.strike(parts[kill * REPEATED // kills])
    flags.raise_flag(stop)
    assert feeder.wait(900 if FULL else 90) == 0, feeder.output()
    verdict = judge(jobs.app, ledger)
    again, taken_back = _again_after(jobs, ledger, fleet)
    slow = {whole: list(_by_part(again, whole, parts)) for whole in (True, False)}
    struck = {kill for several in fleet.kills.values() for kill in several}
    print(
        f"seed {seed}: {verdict}, {sum(kill.whole for kill in struck)} of {kills * (number + 1)} kills of runners, "
        f"{taken_back} claims taken back, {len(again)} of them from the dead; 99 % began again within {slow} s"
    )
    assert verdict.acknowledged >= least * (number + 1)
    assert (verdict.lost, verdict.ghosts, verdict.double_results, verdict.unfinished) == (0, 0, 0, 0)
    assert verdict.duplicates <= taken_back
    assert len(again) >= kills * (number + 1) / 2, "a storm under load"
    p99 = max(statistics.median(parts) for parts in slow.values())
    store = jobs.app.conf.store_url.partition(":")[0]
    what = "kill -9 of a runner, or of a process below it, of any kind at a random moment"
    figures = {**asdict(verdict), "p99_recovery_sec": round(p99, 2)}
    keep(f"A2 {store}", what, "kill of the process", kills * (number + 1), seed, **figures)
    return p99
