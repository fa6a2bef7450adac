"""A custom runner that waits for work."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.crossings import Crossings, counting
from support.waiting import wait_until
from support.worlds import STORES, StoreKind, set_environment

from pynenc import Pynenc
from pynenc.runner import BaseRunner

FOR_LONG = 30.0


def echo(number: int) -> int:
    return number


class WaitingRunner(BaseRunner):
    """Claims on several threads, each of which waits for one invocation at a time."""

    threads = 1

    @staticmethod
    def mem_compatible() -> bool:
        return True

    @property
    def max_parallel_slots(self) -> int:
        return self.threads

    def _on_start(self) -> None:
        self.passes = 0
        self.pool = ThreadPoolExecutor(self.threads)

    def runner_loop_iteration(self) -> None:
        for one in [self.pool.submit(self._serve) for _ in range(self.threads)]:
            one.result()

    def _serve(self) -> None:
        while self.running:
            self.passes += 1
            for invocation in self.app.orchestrator.get_invocations_to_run(1, wait=FOR_LONG):
                invocation.run()

    def _on_stop(self) -> None:
        self.pool.shutdown()

    def _on_stop_runner_loop(self) -> None:
        pass

    def waiting_for_results(self, running_invocation: Any, result_invocation: Any, runner_args: Any = None) -> None:
        time.sleep(0.005)


@pytest.fixture
def crossings() -> Iterator[Crossings]:
    """Counts the calls into the engine and the store, of the threads of the runner too."""
    with counting() as counted:
        yield counted


@pytest.fixture(params=STORES, ids=[store.name for store in STORES])
def runner(
    request: pytest.FixtureRequest, crossings: Crossings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[WaitingRunner]:
    """A running `WaitingRunner`, on each store."""
    store: StoreKind = request.param
    set_environment(monkeypatch, tmp_path, store)
    runner = WaitingRunner(Pynenc())
    runner.threads = 3
    thread = threading.Thread(target=runner.run)
    thread.start()
    assert runner.wait_until_started(30)
    yield runner
    began = time.monotonic()
    runner.stop_runner_loop()
    thread.join(FOR_LONG)
    assert not thread.is_alive()
    assert time.monotonic() - began < FOR_LONG / 2, "a stop ends the wait for work"


def test_a_runner_of_ones_own_is_woken_for_work_and_does_not_poll(runner: WaitingRunner, crossings: Crossings) -> None:
    task = runner.app.task(echo)
    wait_until(lambda: runner.passes >= runner.threads, "the wait of each thread")
    assert [task(number).result for number in range(3)] == [0, 1, 2]
    results = task.parallelize([(number,) for number in range(20)]).results
    assert sorted(results) == list(range(20))
    before = crossings.counts()
    idle = wait_until(
        lambda: _while_idle(runner, crossings, before), "each thread has said several times that it lives"
    )
    # One look at the store for the end of the last invocation; a loop that polls asks at least as often as it wakes.
    assert sum(count for name, count in idle.items() if name.startswith(("Store.", "Engine.claim"))) <= runner.threads


def _while_idle(runner: WaitingRunner, crossings: Crossings, before: Counter[str]) -> dict[str, int] | None:
    made = crossings.during(before)
    return made if made.get("Engine.wait_for_work", 0) >= 4 * runner.threads else None


def test_every_waiting_thread_gets_an_invocation_of_a_batch(runner: WaitingRunner) -> None:
    meeting = threading.Barrier(runner.threads)

    def meet(number: int) -> int:
        return meeting.wait(FOR_LONG) + number

    meet.__qualname__, meet.__module__ = "meet", __name__
    globals()["meet"] = meet
    task = runner.app.task(meet)
    wait_until(lambda: runner.passes >= runner.threads, "the wait of each thread")
    invocations = list(task.parallelize([(10 * number,) for number in range(runner.threads)]).invocations)
    assert len([one.get_result(timeout=FOR_LONG) for one in invocations]) == runner.threads


def test_without_a_running_runner_the_wait_ends_with_the_next_call() -> None:
    app = Pynenc(config_values={"store_url": "memory://"})
    task = app.task(echo)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(lambda: list(app.orchestrator.get_invocations_to_run(1, wait=FOR_LONG)))
        invocation = task(1)
        assert [one.invocation_id for one in found.result(FOR_LONG)] == [invocation.invocation_id]


def test_a_wait_that_is_over_or_for_no_slot_yields_nothing() -> None:
    app = Pynenc(config_values={"store_url": "memory://"})
    assert list(app.orchestrator.get_invocations_to_run(1, wait=0.01)) == []
    assert list(app.orchestrator.get_invocations_to_run(0, wait=FOR_LONG)) == []
    for wrong in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="wait must be a number of seconds from 0"):
            list(app.orchestrator.get_invocations_to_run(1, wait=wrong))
