"""Documented features of pynenc, one small test each: unit tests, servers, components and samples of users."""

from __future__ import annotations

import os
import threading
import unittest
import unittest.mock
import warnings
from typing import Any

import pytest
from support.worlds import shared_redis

from pynenc import Pynenc, PynencBuilder
from pynenc.broker import MemBroker
from pynenc.invocation import ConcurrentInvocation, DistributedInvocation
from pynenc.orchestrator import BaseOrchestrator
from pynenc.runner import RunnerContext, ThreadRunner
from pynenc.state_backend import BaseStateBackend
from pynenc.testing import isolated
from pynenc.testing.plugin import running

app = Pynenc("feature-patterns", {"store_url": "memory://"})


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def start_add(x: int, y: int) -> DistributedInvocation[Any, int]:
    invocation = add(x, y)
    assert isinstance(invocation, DistributedInvocation)
    return invocation


@app.task
def finish(invocation: DistributedInvocation[Any, int]) -> int:
    return invocation.result * 10


@app.task
def fibonacci(n: int) -> int:
    if n < 2:
        return n
    return sum(fibonacci.parallelize([(n - 1,), (n - 2,)]).results)


@app.task
def fails_on(number: int, bad: int) -> int:
    if number == bad:
        raise ValueError(f"{number} is bad")
    return number


class LoudBroker(MemBroker):
    """A component of a user, chosen by its name."""

    def count_invocations(self, queue_names: Any = None) -> int:
        return super().count_invocations(queue_names) + 1000


class QuietOrchestrator(BaseOrchestrator):
    """The same for the orchestrator."""


class QuietStateBackend(BaseStateBackend):
    """The same for the state backend."""


# -- unit tests of an application ----------------------------------------------------------------------------------


class WithoutARunner(unittest.TestCase):
    """Bodies run in the test, because of a setting."""

    def setUp(self) -> None:
        app.conf.dev_mode_force_sync_tasks = True
        self.addCleanup(setattr, app.conf, "dev_mode_force_sync_tasks", False)

    def test_add(self) -> None:
        assert add(1, 2).result == 3
        assert fibonacci(5).result == 5


class WithARunner(unittest.TestCase):
    """A runner of the app runs on a thread for the time of a test; the next test starts it again."""

    def setUp(self) -> None:
        app.purge()
        app.runner = ThreadRunner(app)
        runner = app.runner

        def run() -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                runner.run()

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        assert runner.wait_until_started(30)

    def tearDown(self) -> None:
        app.runner.stop_runner_loop()
        self.thread.join(30)
        assert not self.thread.is_alive()

    def test_add(self) -> None:
        assert add(1, 2).result == 3

    def test_many(self) -> None:
        assert sorted(add.parallelize([(1, 1), (2, 2)]).results) == [2, 4]


def test_the_environment_turns_dev_mode_on() -> None:
    with unittest.mock.patch.dict(os.environ, {"PYNENC__DEV_MODE_FORCE_SYNC_TASKS": "True"}):
        own = Pynenc("feature-dev-mode")
        invocation = own.task(add.func)(1, 2)
        assert isinstance(invocation, ConcurrentInvocation)
        assert invocation.result == 3


# -- values and groups ---------------------------------------------------------------------------------------------


def test_an_invocation_is_an_argument_and_a_result() -> None:
    with isolated(app) as test:
        started = start_add(1, 2)
        test.drain()
        child = started.result
        assert isinstance(child, DistributedInvocation)
        assert child.result == 3
        finished = finish(child)
        test.drain()
        assert finished.result == 30


def test_recursion_needs_one_slot() -> None:
    with isolated(app):
        runner = ThreadRunner(app)
        runner.conf.max_threads = 1
        with running(runner):
            assert runner.max_parallel_slots == 1
            assert fibonacci(7).get_result(60) == 13


def test_a_failed_member_raises_at_its_place() -> None:
    with isolated(app) as test:
        group = fails_on.parallelize([{"number": number} for number in range(3)], {"bad": 1})
        test.drain()
        found: list[Any] = []
        results = group.results
        while True:
            try:
                found.append(next(results))
            except StopIteration:
                break
            except ValueError as error:
                found.append(str(error))
        assert sorted(found, key=str) == [0, "1 is bad", 2]


# -- components and runners of users -------------------------------------------------------------------------------


def test_components_of_ones_own_are_chosen_by_name() -> None:
    own = Pynenc(
        "feature-components-of-ones-own",
        {
            "store_url": "memory://",
            "broker_cls": "LoudBroker",
            "orchestrator_cls": "QuietOrchestrator",
            "state_backend_cls": "QuietStateBackend",
        },
    )
    own.task(add.func)(1, 2)
    assert own.broker.count_invocations() == 1001
    assert isinstance(own.orchestrator, QuietOrchestrator)
    assert isinstance(own.state_backend, QuietStateBackend)
    other = Pynenc("feature-unknown-component", {"store_url": "memory://", "broker_cls": "NoSuchBroker"})
    with pytest.raises(ValueError, match="Unknown subclass"):
        _ = other.broker


@pytest.mark.parametrize("args", [(), ({"slot": 1},), (RunnerContext("DepotRunner", "r1"), {"slot": 1})])
def test_a_custom_runner_runs_its_claims(args: Any) -> None:
    with isolated(app):
        made = add(1, 2)
        [taken] = app.orchestrator.get_invocations_to_run(1, RunnerContext("DepotRunner", "r1"))
        taken.run(*args)
        assert made.result == 3


def test_heartbeats_of_a_runner_keep_its_claims() -> None:
    with isolated(app):
        add(1, 2)
        context = RunnerContext("DepotRunner", "r1")
        [taken] = app.orchestrator.get_invocations_to_run(1, context)
        app.orchestrator.register_runner_heartbeats([context.runner_id], can_run_atomic_service=True)
        taken.run()
        assert app.orchestrator.count_invocations(statuses="success") == 1


# -- servers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["builder", "class names", "environment", "store_url"])
def test_an_app_works_on_redis(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    url = shared_redis().url
    names = {
        "orchestrator_cls": "RedisOrchestrator",
        "broker_cls": "RedisBroker",
        "state_backend_cls": "RedisStateBackend",
    }
    app_id = f"feature-redis-{way.replace(' ', '-')}"
    if way == "builder":
        own = PynencBuilder().app_id(app_id).redis(url=url).thread_runner().build()
    elif way == "class names":
        own = Pynenc(app_id, {**names, "redis_url": url})
    elif way == "environment":
        monkeypatch.setenv("PYNENC__CONFIGREDIS__REDIS_URL", url)
        own = PynencBuilder().app_id(app_id).redis(url="redis://127.0.0.1:1/0").build()
    else:
        own = Pynenc(app_id, {"store_url": url})
    own.purge()
    task = own.task(add.func)
    with running(ThreadRunner(own)):
        assert task(1, 2).get_result(60) == 3
        assert sorted(task.parallelize([(1, 1), (2, 2)]).get_results(60)) == [2, 4]
    own.purge()
