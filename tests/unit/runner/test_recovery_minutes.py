"""The two cron settings of pynenc's recovery: in these minutes runners recover, however long their leases are."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.jobs import shapes
from support.seed_runners import RecordingRunner
from support.waiting import wait_until

from pynenc import Pynenc
from pynenc.exceptions import ConfigError, StateBackendError
from pynenc.runner import ThreadRunner
from pynenc.runner._session.recovery_minutes import RecoveryMinutes

START = datetime(2026, 3, 1, 11, 58, 30, tzinfo=UTC)
LEASE_SEC = 0.1


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def set(self, hour: int, minute: int, **more: int) -> None:
        self.now = START.replace(hour=hour, minute=minute, **more)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _app(**settings: Any) -> Pynenc:
    values = {"store_url": "memory://", "lease_sec": 3600.0, "recover_pending_invocations_cron": "0 12 * * *"}
    values |= {"recover_running_invocations_cron": "30 12 * * *"}
    return Pynenc("minutes", {**values, **settings})


def _left_by_a_dead_runner(app: Pynenc) -> Any:
    """An invocation that a runner has claimed which is no more."""
    invocation = app.task(queue="nobody")(shapes.calm)()
    # Another runner has just looked. Without any sign of life for most of a lease this would count as a stall.
    app._runtime.store.recover()
    [claim] = app._runtime.store.claim("dead#1", 1, lease_sec=LEASE_SEC)
    assert claim.invocation_id == invocation.invocation_id
    threading.Event().wait(2 * LEASE_SEC)
    assert invocation.status == "pending"
    return invocation


@pytest.mark.parametrize("before", [(11, 59), (12, 29)], ids=["pending", "running"])
def test_in_the_minutes_of_either_setting_the_work_of_dead_runners_is_found(
    clock: Clock, before: tuple[int, int]
) -> None:
    app = _app()
    clock.set(*before)
    minutes = RecoveryMinutes(RecordingRunner(app), clock)
    invocation = _left_by_a_dead_runner(app)
    minutes.tick()
    assert invocation.status == "pending"
    clock.now += timedelta(minutes=1)
    minutes.tick()
    assert invocation.status == "rerouted"


def test_no_recovery_runs_in_other_minutes(clock: Clock) -> None:
    app = _app()
    minutes = RecoveryMinutes(RecordingRunner(app), clock)
    invocation = _left_by_a_dead_runner(app)
    for hour, minute in ((11, 58), (11, 59)):
        clock.set(hour, minute, second=59)
        minutes.tick()
    assert invocation.status == "pending"


def test_a_minute_that_the_loop_has_slept_through_counts(clock: Clock) -> None:
    app = _app()
    minutes = RecoveryMinutes(RecordingRunner(app), clock)
    invocation = _left_by_a_dead_runner(app)
    clock.set(12, 4)
    minutes.tick()
    assert invocation.status == "rerouted"


def test_a_clock_that_jumps_back_or_far_ahead_does_no_harm(clock: Clock) -> None:
    app = _app()
    minutes = RecoveryMinutes(RecordingRunner(app), clock)
    invocation = _left_by_a_dead_runner(app)
    clock.now -= timedelta(days=1)
    minutes.tick()
    assert invocation.status == "pending"
    clock.now += timedelta(days=4000)
    minutes.tick()
    assert invocation.status == "rerouted"


def test_leases_that_are_looked_after_more_often_than_each_minute_need_no_minutes(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = _app(lease_sec=120.0, recover_pending_invocations_cron="* * * * *")
    minutes = RecoveryMinutes(RecordingRunner(app), clock)
    invocation = _left_by_a_dead_runner(app)
    clock.set(12, 0)
    minutes.tick()
    assert invocation.status == "pending"


def test_the_lease_of_the_runner_itself_counts(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__CONFIGRUNNER__LEASE_SEC", "3600")
    app = _app(lease_sec=10.0)
    minutes = RecoveryMinutes(RecordingRunner(app), clock)
    invocation = _left_by_a_dead_runner(app)
    clock.set(12, 0)
    minutes.tick()
    assert invocation.status == "rerouted"


def test_a_minute_in_which_the_store_fails_is_not_over(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    app = _app()
    minutes = RecoveryMinutes(RecordingRunner(app), clock)
    invocation = _left_by_a_dead_runner(app)
    store = app._runtime.store

    class Failing:
        def recover(self, *arguments: Any) -> Any:
            raise StateBackendError("gone")

    clock.set(12, 0)
    with monkeypatch.context() as failing:
        failing.setattr(type(app._runtime), "store", Failing())
        with pytest.raises(StateBackendError, match="gone"):
            minutes.tick()
    assert app._runtime.store is store
    minutes.tick()
    assert invocation.status == "rerouted"


@pytest.fixture
def running(clock: Clock) -> Iterator[tuple[Any, Any]]:
    """A runner that serves another queue than the invocation's, and whose engine recovers twice an hour."""
    app = _app(queues=["default"])
    runner = ThreadRunner(app)
    runner._session.recovery_minutes = RecoveryMinutes(runner, clock)
    early = _left_by_a_dead_runner(app)
    thread = threading.Thread(target=runner.run, daemon=True)
    thread.start()
    assert runner.wait_until_started(20)
    # The engine recovers once when it starts. The test must leave its work after that, or the engine finds it then.
    wait_until(lambda: early.status == "rerouted", "the first look of the engine")
    assert early.cancel()
    yield app, runner
    runner.stop_runner_loop()
    thread.join(30)
    assert not thread.is_alive()


def test_a_running_runner_looks_when_the_minute_comes(running: Any, clock: Clock) -> None:
    app, runner = running
    invocation = _left_by_a_dead_runner(app)
    # The runner has read the clock since, and has found that the minute has not come.
    looked = threading.Event()
    tick = runner._session.recovery_minutes.tick
    runner._session.recovery_minutes.tick = lambda: (tick(), looked.set())
    assert looked.wait(20)
    assert invocation.status == "pending"
    clock.set(12, 0)
    wait_until(lambda: invocation.status == "rerouted", "the invocation of the dead runner in the queue again")


@pytest.mark.parametrize("field", ["recover_pending_invocations_cron", "recover_running_invocations_cron"])
def test_a_malformed_cron_expression_is_refused_with_its_source(field: str) -> None:
    with pytest.raises(ConfigError, match=rf"ConfigPynenc\.{field} must be a cron expression.*\(from config_values\)"):
        _ = _app(**{field: "at noon"}).conf
