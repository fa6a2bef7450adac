"""A long outage of the store: waiting bodies continue to wait on every runner; only clients get an error."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.chaos import keep, pause, rounds
from support.processes import Child, Processes
from support.servers import redis_server
from support.waiting import wait_until
from support.worlds import StoreKind, load_jobs, set_environment

from pynenc.exceptions import StateBackendError

BUILT_IN = ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
TIMEOUT_SEC = 0.5
DEADLINE_SEC = 120
FAILS, WORKS = "the store fails, and is tried again", "the store works again, after"
SLOTS = "8"
SIZES = ("MAX_THREADS", "NUM_PROCESSES", "MAX_PROCESSES", "CONCURRENCY")

_HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""

Away = Callable[[Callable[[], None]], None]


@contextmanager
def _redis(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Away]:
    """The server is killed, and restarted with the data on its disk."""
    with redis_server("--appendonly", "yes", "--appendfsync", "always") as server:
        set_environment(monkeypatch, folder, StoreKind("redis", lambda _: server.url, shared=True))

        def away(meanwhile: Callable[[], None]) -> None:
            server.kill()
            meanwhile()
            server.start()

        yield away


@contextmanager
def _sqlite(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Away]:
    """Another process holds the lock of the database."""
    path = folder / "store.db"
    set_environment(monkeypatch, folder, StoreKind("sqlite", lambda _: f"sqlite:///{path}", shared=True))

    def away(meanwhile: Callable[[], None]) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            meanwhile()
            holder.communicate()

    yield away


def _assert_quiet(runner: Child, outage: int) -> None:
    """Each process logs once that the store fails, once a minute that it still fails, and once that it works again."""

    def count(text: str) -> int:
        return runner.output().count(text)

    wait_until(lambda: count(FAILS) == count(WORKS) > 0, "all processes say that the store is back", DEADLINE_SEC)
    lines = [line for line in runner.output().splitlines() if " WARNING " in line or " ERROR " in line]
    assert len(lines) <= count(FAILS) * (2 + outage // 60) + 2, runner.output()


@pytest.mark.parametrize("runner_cls", BUILT_IN)
@pytest.mark.parametrize("store", [_redis, _sqlite], ids=["redis", "sqlite"])
def test_bodies_that_wait_go_on_after_a_long_outage_and_clients_get_an_error(
    processes: Processes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int, store: Any, runner_cls: str
) -> None:
    outage = rounds(3, 15, 60)
    with store(monkeypatch, tmp_path) as away:
        settings = {"STORE_TIMEOUT_SEC": str(TIMEOUT_SEC), "STORE_DEAF_AFTER_SEC": "600", "LEASE_SEC": str(2 * outage)}
        settings |= dict.fromkeys(SIZES, SLOTS)
        for name, value in settings.items():
            monkeypatch.setenv(f"PYNENC__{name}", value)
        jobs = load_jobs()
        runner = processes.started_runner(PYNENC__RUNNER_CLS=runner_cls)
        kinds = {
            "one": jobs.cancels.wait_for,
            "coroutine": jobs.cancels.wait_for_in_a_coroutine,
            "group": jobs.waits.wait_for_two,
            "group-in-a-coroutine": jobs.waits.wait_for_two_in_a_coroutine,
            "late": jobs.waits.wait_when_told,
            "late-in-a-coroutine": jobs.waits.wait_when_told_in_a_coroutine,
        }
        bodies = {name: task(name) for name, task in kinds.items()}
        for name in bodies:
            flags.await_flag(f"{name}-waits")

        def meanwhile() -> None:
            for name in bodies:
                flags.raise_flag(f"{name}-begin")
            began = time.monotonic()
            with pytest.raises(StateBackendError):
                jobs.basics.add(1, 1)
            assert TIMEOUT_SEC <= time.monotonic() - began < DEADLINE_SEC
            if store is _redis:
                with pytest.raises(StateBackendError):
                    bodies["one"].get_result(timeout=DEADLINE_SEC)
            pause(began + outage - time.monotonic())

        away(meanwhile)
        for name in bodies:
            flags.raise_flag(name, f"text of {name}")
        first: dict[str, object] = {}
        for name, body in bodies.items():
            expected = [f"text of {name}"] * 2 if "group" in name else f"text of {name}"
            first[name] = body.get_result(timeout=DEADLINE_SEC)
            assert first[name] == expected
        assert runner.process.poll() is None
        _assert_quiet(runner, outage)
        recoveries = sum(jobs.app._runtime.store.get(body.invocation_id).recoveries for body in bodies.values())
        assert recoveries == 0
        lost = sum(str(body.status) != "success" for body in bodies.values())
        changed = sum(body.result != first[name] for name, body in bodies.items())
        figures = {"acknowledged": len(bodies), "lost": lost, "double_results": changed, "duplicates": recoveries}
        assert (lost, changed) == (0, 0)
        what = f"{store.__name__[1:]} away for {outage} s with six kinds of waiting bodies"
        keep(f"B20 {store.__name__[1:]}, {runner_cls}", what, "waits", 1, seed, **figures)
