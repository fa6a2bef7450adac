"""ThreadRunner and the loop it shares with the built-in runners."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support import flags
from support.waiting import wait_until
from support.worlds import load_jobs

from pynenc.runner import ThreadRunner
from pynenc.runner.choose import choose_runner_cls


@pytest.fixture
def jobs(memory_env: None) -> Iterator[Any]:
    jobs = load_jobs()
    yield jobs
    jobs.app._runtime.store.close()


class Running:
    """A runner on a separate thread."""

    def __init__(self, runner: Any) -> None:
        self.runner = runner
        self.errors: list[BaseException] = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert runner.wait_until_started(20)

    def _run(self) -> None:
        try:
            self.runner.run()
        except BaseException as error:
            self.errors.append(error)

    def stop(self) -> None:
        self.runner.stop_runner_loop()
        self.thread.join(30)
        assert not self.thread.is_alive()


def _slot_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("pynenc-slot-")]


@pytest.mark.parametrize(
    ("settings", "slots"),
    [((1, 1, 3), 3), ((5, 1, 3), 5), ((1, 4, 3), 4), ((1, 1, 0), os.cpu_count())],
)
def test_its_slots_are_the_largest_of_the_settings(jobs: Any, settings: tuple[int, int, int], slots: int) -> None:
    runner = ThreadRunner(jobs.app)
    runner.conf.min_parallel_slots, runner.conf.min_threads, runner.conf.max_threads = settings
    assert runner.max_parallel_slots == slots


def test_threads_end_with_the_run_and_the_same_object_runs_again(jobs: Any) -> None:
    runner = ThreadRunner(jobs.app)
    for _ in range(2):
        running = Running(runner)
        assert jobs.basics.add(20, 22).result == 42
        running.stop()
        assert running.errors == []
        wait_until(lambda: not _slot_threads(), "the end of the slot threads")


def test_an_override_of_the_iteration_is_called_and_may_supervise_with_super(jobs: Any) -> None:
    class Counting(ThreadRunner):
        passes = 0

        def runner_loop_iteration(self) -> None:
            self.passes += 1
            super().runner_loop_iteration()

    runner = Counting(jobs.app)
    running = Running(runner)
    assert jobs.basics.add(1, 1).result == 2
    running.stop()
    assert runner.passes > 0


def test_an_overridden_iteration_that_claims_by_itself_gets_all_the_work(jobs: Any) -> None:
    class Alone(ThreadRunner):
        def runner_loop_iteration(self) -> None:
            for invocation in self.app.orchestrator.get_invocations_to_run(1):
                invocation.run()
            threading.Event().wait(0.005)

    running = Running(Alone(jobs.app))
    assert jobs.basics.add(1, 1).result == 2
    assert _slot_threads() == []
    running.stop()


def test_a_wait_in_an_override_of_waiting_for_results_may_use_the_built_in_one(jobs: Any) -> None:
    class Waiting(ThreadRunner):
        waits = 0

        def waiting_for_results(self, running_invocation, result_invocation, runner_args=None):  # type: ignore[no-untyped-def]
            self.waits += 1
            super().waiting_for_results(running_invocation, result_invocation, runner_args)

    runner = Waiting(jobs.app)
    runner.conf.max_threads = 1
    running = Running(runner)
    assert jobs.waits.fib(6).result == 8
    assert runner.waits > 0
    running.stop()


def test_a_thread_that_cannot_be_started_is_started_later(jobs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started = threading.Thread.start
    refusals = iter([True, True])

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("pynenc-slot-") and next(refusals, False):
            raise RuntimeError("can't start new thread")
        started(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    running = Running(ThreadRunner(jobs.app))
    assert jobs.basics.add(1, 1).result == 2
    running.stop()
    assert running.errors == []


def test_a_loop_that_breaks_ends_the_runner_with_the_error(jobs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise MemoryError("in our own code")

    monkeypatch.setattr("pynenc.runner._session.slot_threads.execute", broken)
    running = Running(ThreadRunner(jobs.app))
    invocation = jobs.basics.add(1, 1)
    running.thread.join(30)
    assert not running.thread.is_alive()
    assert [type(error) for error in running.errors] == [MemoryError]
    assert invocation.status.value == "rerouted"


def test_a_second_signal_hands_back_at_once_what_would_have_had_time(jobs: Any) -> None:
    runner = ThreadRunner(jobs.app)
    runner.conf.stop_grace_sec = 600.0
    running = Running(runner)
    invocation = jobs.basics.until("held")
    flags.await_flag("held-started")
    runner.stop_runner_loop(15)
    runner.stop_runner_loop(2)
    running.thread.join(30)
    assert not running.thread.is_alive()
    assert invocation.status.value == "rerouted"
    assert runner.runner_id in jobs.app.state_backend.get_history(invocation)[-1].note
    flags.raise_flag("held")
    # The body searches for its flag in the folder of this test, so it must see the flag before the test ends.
    wait_until(lambda: not _slot_threads(), "the end of the body")


def test_bodies_that_wait_are_handed_back_and_their_threads_end(jobs: Any) -> None:
    runner = ThreadRunner(jobs.app)
    runner.conf.stop_grace_sec = 0.0
    runner.conf.queues = ("default",)
    running = Running(runner)
    target = jobs.waits.never()
    invocation = jobs.waits.wait_for_id(target.invocation_id)
    wait_until(lambda: invocation.status.value == "paused", "the wait")
    running.stop()
    assert invocation.status.value == "rerouted"
    wait_until(lambda: not _slot_threads(), "the end of the thread that waited")


def test_a_running_body_may_finish_at_a_stop(jobs: Any) -> None:
    runner = ThreadRunner(jobs.app)
    running = Running(runner)
    invocation = jobs.basics.until("soon")
    flags.await_flag("soon-started")
    runner.stop_runner_loop()
    flags.raise_flag("soon", "done")
    running.stop()
    assert invocation.result == "done"


def test_thread_runner_is_the_default_and_the_reason_is_returned(jobs: Any) -> None:
    cls, reason = choose_runner_cls(jobs.app)
    assert cls is ThreadRunner
    assert "memory://" in reason
    jobs.app.conf.runner_cls = "ThreadRunner"
    assert choose_runner_cls(jobs.app) == (ThreadRunner, "runner_cls is 'ThreadRunner'")
    jobs.app.conf.runner_cls = "NoSuchRunner"
    with pytest.raises(ValueError, match="NoSuchRunner"):
        choose_runner_cls(jobs.app)
