"""Faults of a Redis server: it dies, forgets, hangs up, refuses. The same processes continue, or give the reason."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support import flags
from support.processes import Processes
from support.servers import RedisServer, redis_server
from support.waiting import wait_until
from support.worlds import StoreKind, load_jobs, set_environment

from pynenc import Pynenc
from pynenc.exceptions import InvocationNotFoundError, StateBackendError

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[RedisServer]:
    """A server of this test's own, which the app of the test and its children use."""
    with redis_server(*getattr(request, "param", DURABLE)) as own:
        set_environment(monkeypatch, tmp_path, StoreKind("redis", lambda folder: own.url, shared=True))
        monkeypatch.setenv("PYNENC__LEASE_SEC", "2")
        yield own


def _canary(jobs: Any, runner: Any) -> None:
    """A new task is finished, by the runner that was there before."""
    assert jobs.basics.add(40, 2).get_result(timeout=30) == 42
    assert runner.process.poll() is None


def test_work_survives_a_killed_server_and_the_same_runner_goes_on(server: RedisServer, processes: Processes) -> None:
    jobs = load_jobs()
    runner = processes.started_runner()
    held = jobs.basics.until("gate")
    flags.await_flag("gate-started")
    queued = [jobs.basics.add(n, n) for n in range(50)]
    server.kill()
    flags.raise_flag("gate", "through the outage")
    server.start()
    assert held.get_result(timeout=60) == "through the outage"
    assert [one.get_result(timeout=60) for one in queued] == [2 * n for n in range(50)]
    _canary(jobs, runner)


def test_a_runner_whose_store_stays_away_says_so_and_ends(server: RedisServer, processes: Processes) -> None:
    jobs = load_jobs()
    runner = processes.started_runner(PYNENC__STORE_DEAF_AFTER_SEC="2")
    assert jobs.basics.add(1, 1).get_result(timeout=30) == 2
    server.kill()
    assert runner.wait(90) not in (0, None)
    assert "store_deaf_after_sec" in runner.output()


def test_closed_connections_and_forgotten_scripts_surface_nowhere(server: RedisServer, processes: Processes) -> None:
    jobs = load_jobs()
    runner = processes.started_runner()
    stop = threading.Event()

    def disturb() -> None:
        while not stop.wait(0.2):
            for words in (
                ("CLIENT", "KILL", "TYPE", "normal"),
                ("CLIENT", "KILL", "TYPE", "pubsub"),
                ("SCRIPT", "FLUSH"),
            ):
                try:
                    server.command(*words)
                except OSError:
                    # It closed this connection too.
                    continue

    nuisance = threading.Thread(target=disturb)
    nuisance.start()
    try:
        results = [jobs.basics.add.parallelize([(n, round_) for n in range(100)]).results for round_ in range(10)]
        for round_, group in enumerate(results):
            assert sorted(group) == [n + round_ for n in range(100)]
    finally:
        stop.set()
        nuisance.join()
    _canary(jobs, runner)


def test_a_wait_for_what_the_server_has_forgotten_fails(server: RedisServer, processes: Processes) -> None:
    jobs = load_jobs()
    runner = processes.started_runner()
    held = jobs.basics.until("gate")
    flags.await_flag("gate-started")
    threading.Timer(0.3, server.command, ("FLUSHALL",)).start()
    with pytest.raises(InvocationNotFoundError):
        held.get_result(timeout=60)
    flags.raise_flag("gate")
    _canary(jobs, runner)


@pytest.mark.parametrize("server", [("--maxmemory-policy", "allkeys-lru", "--maxmemory", "64mb")], indirect=True)
def test_a_server_that_may_throw_work_away_is_refused_unless_allowed(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StateBackendError, match="allkeys-lru"):
        load_jobs().basics.add(1, 1)
    monkeypatch.setenv("PYNENC__REDIS_ALLOW_EVICTION", "true")
    Pynenc._clear_instances()
    assert load_jobs().basics.add(1, 1).status == "registered"


def test_a_full_server_refuses_submissions_and_takes_outcomes(server: RedisServer, processes: Processes) -> None:
    jobs = load_jobs()
    runner = processes.started_runner()
    held = jobs.basics.until("gate")
    flags.await_flag("gate-started")
    server.command("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StateBackendError, match="memory"):
        jobs.basics.add(1, 1)
    flags.raise_flag("gate", "taken")
    wait_until(lambda: str(held.status) == "success", "the outcome is stored", 60)
    server.command("CONFIG", "SET", "maxmemory", "0")
    assert held.get_result(timeout=30) == "taken"
    _canary(jobs, runner)


def test_a_runner_that_is_stopped_without_a_server_ends_in_time(server: RedisServer, processes: Processes) -> None:
    runner = processes.started_runner(PYNENC__STOP_GRACE_SEC="0.5")
    server.kill()
    runner.send(signal.SIGTERM)
    assert runner.wait(60) is not None
