"""A world is one fresh app on one kind of store with one kind of runner: each scenario of the matrix runs in one.

A new store or runner is one line in `STORES` or `RUNNERS`; another way to reach a store is one in `TOPOLOGIES`.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import os
import sys
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support import flags, ledger
from support.secrecy import SENTINEL
from support.seed_runners import SevenMemberRunner
from support.servers import RedisServer, redis_server
from support.topologies import PASSWORD, Cluster, add_users, cluster, denials_of
from support.waiting import wait_until

from pynenc.cli.redis_acl import user_of

JOBS = "support.jobs"
STOP_DEADLINE_SEC = 40.0


@dataclass(frozen=True)
class StoreKind:
    """How to name a fresh store of this kind."""

    name: str
    url: Callable[[Path], str]
    shared: bool
    """Whether other processes can open it."""
    settings: Mapping[str, str] = field(default_factory=dict)
    runners: tuple[str, ...] = ()
    """The kinds of runners to combine it with; empty means every kind that can use it."""
    users: Callable[[], RedisServer] | None = None
    """A server on which clients and runners have separate users."""


@dataclass(frozen=True)
class RunnerKind:
    """How to make a runner of this kind with so many slots."""

    name: str
    make: Callable[[Any, int], Any]
    in_process: bool
    """Whether bodies run in the process of the test, so that it works with a store in memory."""


@functools.cache
def shared_redis() -> RedisServer:
    """The server of all tests of this process; each test has its own app id, and so its own keys."""
    context = redis_server()
    server = context.__enter__()
    atexit.register(context.__exit__, None, None, None)
    return server


@functools.cache
def shared_cluster() -> Cluster:
    """The Cluster of all tests of this process."""
    context = cluster()
    made = context.__enter__()
    atexit.register(context.__exit__, None, None, None)
    return made


@functools.cache
def shared_redis_with_users() -> RedisServer:
    """A server that requires a password; `operator` may do everything."""
    context = redis_server()
    server = context.__enter__()
    server.ask("ACL", "SETUSER", "operator", "on", ">" + PASSWORD, "~*", "&*", "+@all")
    atexit.register(context.__exit__, None, None, None)
    return server


def _thread_runner(app: Any, slots: int) -> Any:
    from pynenc.runner import ThreadRunner

    runner = ThreadRunner(app)
    runner.conf.min_parallel_slots = 1
    runner.conf.min_threads = 1
    runner.conf.max_threads = slots
    return runner


def _persistent_process_runner(app: Any, slots: int) -> Any:
    from pynenc.runner import PersistentProcessRunner

    runner = PersistentProcessRunner(app)
    runner.conf.min_parallel_slots = 1
    runner.conf.num_processes = slots
    return runner


def _multi_thread_runner(app: Any, slots: int) -> Any:
    """One slot: one process with one thread. More slots: up to two processes, which share them."""
    from pynenc.runner import MultiThreadRunner

    runner = MultiThreadRunner(app)
    runner.conf.min_threads = 1
    runner.conf.max_processes = min(2, slots)
    runner.conf.max_threads = -(-slots // 2)
    return runner


def _process_runner(app: Any, slots: int) -> Any:
    from pynenc.runner import ProcessRunner

    runner = ProcessRunner(app)
    runner.conf.min_parallel_slots = 1
    runner.conf.max_processes = slots
    return runner


def _async_runner(app: Any, slots: int) -> Any:
    from pynenc.runner import AsyncRunner

    runner = AsyncRunner(app)
    runner.conf.processes = 1
    runner.conf.concurrency = slots
    return runner


STORES = [
    StoreKind("memory", lambda folder: "memory://", shared=False),
    StoreKind("sqlite", lambda folder: f"sqlite:///{folder / 'store.db'}", shared=True),
    StoreKind("redis", lambda folder: shared_redis().url, shared=True),
]
TOPOLOGIES = [
    StoreKind("redis-cluster", lambda folder: shared_cluster().url, True, {"SHARDS": "3"}, ("thread",)),
    StoreKind(
        "redis-acl", lambda folder: shared_redis_with_users().url, True, {}, ("thread",), shared_redis_with_users
    ),
]
"""Further ways to reach a store, in which the scenarios of the matrix run."""

RUNNERS = [
    RunnerKind("thread", _thread_runner, in_process=True),
    RunnerKind("user", SevenMemberRunner, in_process=True),
    RunnerKind("persistent_process", _persistent_process_runner, in_process=False),
    RunnerKind("multi_thread", _multi_thread_runner, in_process=False),
    RunnerKind("process", _process_runner, in_process=False),
    RunnerKind("async", _async_runner, in_process=False),
]


def combinations() -> list[Any]:
    """Every store with every runner that can use it, as parameters of a fixture."""
    return [
        pytest.param((store, runner), id=f"{store.name}-{runner.name}")
        for store in [*STORES, *TOPOLOGIES]
        for runner in RUNNERS
        if (not store.runners or runner.name in store.runners) and (store.shared or runner.in_process)
    ]


def set_environment(monkeypatch: pytest.MonkeyPatch, folder: Path, store: StoreKind) -> None:
    """Configure the apps of this test, here and in its children: everything goes through the environment."""
    monkeypatch.setenv("PYNENC__APP_ID", f"app-{uuid.uuid4().hex[:12]}")
    monkeypatch.setenv("PYNENC__STORE_URL", store.url(folder))
    if not store.name.startswith("redis"):
        # Of no use to these stores: only to be found where it must not be.
        monkeypatch.setenv("PYNENC__REDIS_PASSWORD", SENTINEL)
    for name, value in store.settings.items():
        monkeypatch.setenv(f"PYNENC__{name}", value)
    monkeypatch.setenv(flags.DIR_VARIABLE, str(folder))
    monkeypatch.setenv(ledger.FILE_VARIABLE, str(folder / "ledger.jsonl"))


def load_jobs() -> Any:
    """Import the package of tasks again, so that its app reads the environment of this test."""
    for name in [name for name in sys.modules if name == JOBS or name.startswith(JOBS + ".")]:
        del sys.modules[name]
    return importlib.import_module(JOBS)


@dataclass
class World:
    """One app, its tasks, and a runner that the scenario may start."""

    store: StoreKind
    runner_kind: RunnerKind
    jobs: Any
    runner_jobs: Any = None
    """The tasks of the runner, if its app object differs from that of the clients."""
    runner: Any = None
    errors: list[BaseException] = field(default_factory=list)
    _thread: threading.Thread | None = None

    @property
    def app(self) -> Any:
        return self.jobs.app

    def start(self, slots: int = 2) -> Any:
        """Start a new runner on a separate thread and return it."""
        self.runner = self.runner_kind.make((self.runner_jobs or self.jobs).app, slots)
        self.restart()
        return self.runner

    def restart(self) -> None:
        """Start the same runner object, for the first time or again."""
        self._thread = threading.Thread(target=self._run, name="runner-of-the-test", daemon=True)
        self._thread.start()
        assert self.runner.wait_until_started(20.0), f"the runner did not start: {self.errors}"

    def _run(self) -> None:
        try:
            self.runner.run()
        except BaseException as error:
            self.errors.append(error)

    def stop(self) -> None:
        """Stop the runner and wait for the end of `run()`."""
        if self._thread is None:
            return
        self.runner.stop_runner_loop()
        self._thread.join(STOP_DEADLINE_SEC)
        assert not self._thread.is_alive(), "run() did not return after stop_runner_loop()"
        self._thread = None

    def await_status(self, invocation: Any, *statuses: str) -> None:
        """Block until the invocation has one of these statuses."""
        orchestrator = self.app.orchestrator
        wait_until(
            lambda: str(orchestrator.get_invocation_status(invocation.invocation_id)) in statuses,
            f"{invocation.invocation_id} in {statuses}",
        )

    def close(self) -> None:
        """Stop the runner; whatever it raised is the test's failure."""
        self.stop()
        if self.errors:
            raise AssertionError("the runner raised") from self.errors[0]
        if self.store.users is not None:
            assert denials_of(self.store.users(), self.app.app_id) == []


def make_world(
    store: StoreKind,
    runner_kind: RunnerKind,
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    roles: Sequence[str] | None = None,
) -> World:
    """A fresh app in this store; the runner is started by the scenario.

    In a store with users, the runner logs in as the first of `roles` (a worker), clients as the last (a producer).
    """
    set_environment(monkeypatch, folder, store)
    if store.users is None:
        return World(store, runner_kind, load_jobs())
    from pynenc import Pynenc

    app_id = os.environ["PYNENC__APP_ID"]
    add_users(store.users(), app_id)
    monkeypatch.setenv("PYNENC__REDIS_PASSWORD", PASSWORD)
    jobs = []
    for role in roles or ("worker", "producer"):
        # Each has a separate app object, and so separate connections.
        Pynenc._clear_instances()
        monkeypatch.setenv("PYNENC__REDIS_USERNAME", user_of(role, app_id))
        jobs.append(load_jobs())
        assert jobs[-1].app.orchestrator.count_invocations() == 0
    return World(store, runner_kind, jobs[-1], runner_jobs=jobs[0])
