"""A user's loop: a stuck loop loses its claims, a slow loop does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import flags
from support.seed_runners import RecordingRunner, SevenMemberRunner
from support.waiting import wait_until
from support.worlds import load_jobs

LEASE_SEC = 0.5


class Started:
    """Runners on separate threads, with a short lease."""

    def __init__(self) -> None:
        self._running: list[tuple[Any, threading.Thread]] = []

    def __call__(self, runner: Any, limit_sec: float) -> Any:
        runner.conf.lease_sec = LEASE_SEC
        runner.conf.loop_limit_sec = limit_sec
        thread = threading.Thread(target=runner.run, daemon=True)
        self._running.append((runner, thread))
        thread.start()
        assert runner.wait_until_started(20)
        return runner

    def end(self) -> None:
        for runner, _ in self._running:
            runner.stop_runner_loop()
        for _, thread in self._running:
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture
def jobs(memory_env: None, caplog: pytest.LogCaptureFixture) -> Any:
    jobs = load_jobs()
    # An app's logger passes nothing on.
    jobs.app.logger.addHandler(caplog.handler)
    return jobs


@pytest.fixture
def start() -> Iterator[Started]:
    started = Started()
    yield started
    started.end()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """A lock that blocks an iteration until the end of the test."""
    gate = threading.Event()
    yield gate
    gate.set()


class ClaimingRunner(RecordingRunner):
    """Claims one invocation in its first iteration and passes it once to the function of the test."""

    def __init__(self, app: Any, then: Callable[[Any], None]) -> None:
        super().__init__(app)
        self.claimed: list[Any] = []

        def iterate(runner: RecordingRunner) -> None:
            if not self.claimed:
                self.claimed += self.app.orchestrator.get_invocations_to_run(1)
                for invocation in self.claimed:
                    then(invocation)
            threading.Event().wait(0.005)

        self.on_iteration = iterate


def _statuses(jobs: Any, invocation: Any) -> list[str]:
    return [str(entry.status) for entry in jobs.app.state_backend.get_history(invocation.invocation_id)]


def _after_leases(count: int) -> None:
    """Until so many leases would have ended: there is no other sign of something that must not happen."""
    end = time.monotonic() + count * LEASE_SEC
    wait_until(lambda: time.monotonic() > end, "leases pass")


def test_a_loop_that_hangs_loses_its_claims_to_another_runner_and_the_log_says_which(
    jobs: Any, start: Started, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    def hang(invocation: Any) -> None:
        gate.wait()
        invocation.run()

    stuck = start(ClaimingRunner(jobs.app, hang), 0.4)
    held = jobs.basics.add(20, 22)
    wait_until(lambda: stuck.claimed, "it is claimed")
    start(SevenMemberRunner(jobs.app), 600)
    assert held.get_result(timeout=30) == 42
    assert "pending_recovery" in _statuses(jobs, held)
    said = [record.getMessage() for record in caplog.records if "the loop has given no sign" in record.getMessage()]
    assert len(said) == 2, "half way, and when it is too late"
    for line in said:
        assert str(stuck.runner_id) in line
        assert "threading.py:" in line, "where it is"
    assert "other runners take over" in said[1]
    gate.set()
    wait_until(lambda: "the loop goes on after" in caplog.text)
    assert "is not run here" in caplog.text
    assert _statuses(jobs, held).count("success") == 1


def test_a_loop_that_is_only_slow_keeps_its_claims(jobs: Any, start: Started, gate: threading.Event) -> None:
    def wait(invocation: Any) -> None:
        gate.wait()
        invocation.run()

    slow = start(ClaimingRunner(jobs.app, wait), 600)
    held = jobs.basics.add(20, 22)
    wait_until(lambda: slow.claimed, "it is claimed")
    start(SevenMemberRunner(jobs.app), 600)
    _after_leases(4)
    gate.set()
    assert held.get_result(timeout=30) == 42
    assert not [status for status in _statuses(jobs, held) if "recovery" in status]


@pytest.mark.parametrize("limit_sec", [0.2, 0], ids=["limited", "unlimited"])
def test_a_body_that_the_loop_runs_itself_may_take_longer_than_the_limit(
    jobs: Any, start: Started, limit_sec: float, caplog: pytest.LogCaptureFixture
) -> None:
    start(ClaimingRunner(jobs.app, lambda invocation: invocation.run()), limit_sec)
    held = jobs.basics.until("gate")
    flags.await_flag("gate-started")
    start(SevenMemberRunner(jobs.app), 600)
    _after_leases(4)
    flags.raise_flag("gate", "in its time")
    assert held.get_result(timeout=30) == "in its time"
    assert not [status for status in _statuses(jobs, held) if "recovery" in status]
    assert "the loop has given no sign" not in caplog.text


def test_a_loop_that_is_one_long_iteration_lives_while_it_asks_for_work(
    jobs: Any, start: Started, caplog: pytest.LogCaptureFixture
) -> None:
    """Like a runner with its own event loop."""
    runner: Any = SevenMemberRunner(jobs.app)
    iterate = runner.runner_loop_iteration

    def only_one() -> None:
        while runner.running:
            iterate()

    runner.runner_loop_iteration = only_one
    start(runner, 0.5)
    held = jobs.basics.until("gate")
    flags.await_flag("gate-started")
    _after_leases(4)
    flags.raise_flag("gate", "in its time")
    assert held.get_result(timeout=30) == "in its time"
    assert not [status for status in _statuses(jobs, held) if "recovery" in status]
    assert "the leases of this runner" not in caplog.text


def test_a_stop_that_waits_for_bodies_keeps_their_claims(jobs: Any, start: Started) -> None:
    stopping = start(SevenMemberRunner(jobs.app), 0.2)
    held = jobs.basics.until("gate")
    flags.await_flag("gate-started")
    stopping.stop_runner_loop()
    start(SevenMemberRunner(jobs.app), 600)
    _after_leases(4)
    flags.raise_flag("gate", "in its time")
    assert held.get_result(timeout=30) == "in its time"
    assert not [status for status in _statuses(jobs, held) if "recovery" in status]


def test_a_loop_that_hangs_and_has_claimed_nothing_claims_again_when_it_goes_on(
    jobs: Any, start: Started, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    runner: Any = SevenMemberRunner(jobs.app)
    iterate = runner.runner_loop_iteration
    runner.runner_loop_iteration = lambda: (gate.wait(), iterate())[1]
    start(runner, 0.2)
    wait_until(lambda: "the loop has given no sign" in caplog.text)
    gate.set()
    assert jobs.basics.add(20, 22).get_result(timeout=30) == 42


def test_built_in_runners_have_no_such_watch(jobs: Any, start: Started) -> None:
    from pynenc.runner import ThreadRunner

    before = sum(thread.name == "pynenc-loop-watch" for thread in threading.enumerate())
    runner = start(ThreadRunner(jobs.app), 0.2)
    held = jobs.basics.until("gate")
    flags.await_flag("gate-started")
    _after_leases(2)
    flags.raise_flag("gate", "in its time")
    assert held.get_result(timeout=30) == "in its time"
    assert runner._session.liveness is None
    assert sum(thread.name == "pynenc-loop-watch" for thread in threading.enumerate()) == before
