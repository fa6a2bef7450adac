"""The behaviour of `BaseRunner` around the methods of a subclass; tests/compat tests the methods themselves."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pytest
from support.seed_runners import RecordingRunner
from support.waiting import wait_until

from pynenc import Pynenc
from pynenc.exceptions import ConfigError, RunnerError
from pynenc.runner import DummyRunner


class ElsewhereRunner(RecordingRunner):
    @staticmethod
    def mem_compatible() -> bool:
        return False


class LateSlotsRunner(RecordingRunner):
    """Knows its slots only once it has started."""

    @property
    def max_parallel_slots(self) -> int:
        return len(self.slots)  # type: ignore[attr-defined, no-any-return]

    def _on_start(self) -> None:
        super()._on_start()
        self.slots = [1, 2]


@pytest.fixture
def app(memory_env: None) -> Pynenc:
    return Pynenc()


def _started(runner: RecordingRunner) -> threading.Thread:
    runner.on_iteration = lambda runner: threading.Event().wait(0.005)
    thread = threading.Thread(target=runner.run, daemon=True)
    thread.start()
    assert runner.wait_until_started(20)
    return thread


def test_a_runner_for_other_processes_refuses_a_store_in_memory_before_anything_starts(app: Pynenc) -> None:
    runner = ElsewhereRunner(app)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ConfigError, match="memory://") as raised:
        runner.run()
    assert "ElsewhereRunner" in str(raised.value)
    assert runner.calls == []
    assert runner.running is False
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_engine_lives_from_before_on_start_until_after_on_stop(app: Pynenc) -> None:
    runner = RecordingRunner(app)
    seen: list[bool] = []
    runner.on_starting = lambda: seen.append(runner._session.engine is not None)
    runner.on_iteration = lambda runner: (seen.append(runner._session.engine is not None), runner.stop_runner_loop())[0]
    runner.run()
    assert seen == [True, True]
    assert runner._session.engine is None


def test_a_property_known_only_after_the_start_does_no_harm(app: Pynenc) -> None:
    runner = LateSlotsRunner(app)
    runner.run()
    assert runner.calls[-1] == "_on_stop"
    assert runner.max_parallel_slots == 2


def test_the_start_and_the_end_of_a_runner_can_be_waited_for(app: Pynenc) -> None:
    runner = RecordingRunner(app)
    assert runner.wait_until_started(0.0) is False
    assert runner.wait_until_stopped(0.0) is True
    thread = _started(runner)
    assert runner.wait_until_stopped(0.0) is False
    runner.stop_runner_loop()
    assert runner.wait_until_stopped(20)
    thread.join(20)
    assert runner.wait_until_started(0.0) is False


def test_a_runner_cannot_run_twice_at_the_same_time(app: Pynenc) -> None:
    runner = RecordingRunner(app)
    thread = _started(runner)
    with pytest.raises(RunnerError, match="runs already"):
        runner.on_start()
    assert runner.running is True
    runner.stop_runner_loop()
    thread.join(20)


def test_a_failed_start_gives_the_signals_back_and_can_be_repeated(app: Pynenc) -> None:
    runner = RecordingRunner(app)
    before = signal.getsignal(signal.SIGINT)

    def fail() -> None:
        raise OSError("no")

    runner.on_starting = fail
    with pytest.raises(OSError, match="no"):
        runner.run()
    assert signal.getsignal(signal.SIGINT) is before
    assert runner.running is False
    assert runner.wait_until_stopped(0.0)
    runner.on_starting = lambda: None
    runner.run()
    assert runner.calls[-1] == "_on_stop"


def test_a_signal_that_comes_while_it_starts_is_not_lost(app: Pynenc) -> None:
    runner = RecordingRunner(app)
    runner.on_starting = lambda: os.kill(os.getpid(), signal.SIGTERM)
    runner.run()
    assert runner.calls == ["_on_start", "_on_stop_runner_loop", "_on_stop"]


def test_an_invocation_that_a_runner_leaves_unfinished_goes_back_to_the_queue(memory_env: None) -> None:
    from support.worlds import load_jobs

    jobs = load_jobs()
    runner = RecordingRunner(jobs.app)
    taken: list[Any] = []

    def take(runner: RecordingRunner) -> None:
        taken.extend(runner.app.orchestrator.get_invocations_to_run(1))
        runner.stop_runner_loop()

    runner.on_iteration = take
    invocation = jobs.basics.add(1, 2)
    runner.run()
    assert len(taken) == 1
    wait_until(lambda: invocation.status.value == "rerouted", "the invocation in the queue")
    note = jobs.app.state_backend.get_history(invocation)[-1].note
    assert runner.runner_id in note


def test_a_forked_child_has_an_id_of_its_own(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = RecordingRunner(app)
    mine = runner.runner_id
    monkeypatch.setattr(os, "getpid", lambda: 424242)
    assert "424242" in runner.runner_id
    monkeypatch.undo()
    assert runner.runner_id == mine


def test_a_dummy_that_is_asked_to_run_touches_no_signal(app: Pynenc) -> None:
    before = signal.getsignal(signal.SIGTERM)
    runner = DummyRunner(app)
    with pytest.raises(Exception, match="runner start"):
        runner.run()
    assert signal.getsignal(signal.SIGTERM) is before
    assert runner.running is False


def test_waiting_outside_returns_early_when_the_target_has_finished(memory_env: None) -> None:
    from support.worlds import load_jobs

    jobs = load_jobs()
    runner = DummyRunner(jobs.app)
    runner.conf.invocation_wait_results_sleep_time_sec = 60.0
    invocation = jobs.basics.add(1, 2)
    next(jobs.app.orchestrator.get_invocations_to_run(1)).run()
    assert runner.waiting_for_results(None, [invocation]) is None
    assert runner.waiting_for_results(None, [invocation.invocation_id]) is None  # type: ignore[list-item]
