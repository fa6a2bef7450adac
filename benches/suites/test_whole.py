"""End to end on each store, with a ThreadRunner of this process: client and bodies share one interpreter."""

from __future__ import annotations

import pytest
from benchkit.runners import DEADLINE_SEC, thread_runner

TASKS = 5_000


@pytest.fixture
def served(tasks):
    """The tasks, with a runner of two slots at work."""
    with thread_runner(tasks.app, 2):
        assert tasks.echo(1).get_result(DEADLINE_SEC) == 1
        yield tasks


def test_enqueue_one_by_one(measured, tasks) -> None:
    """Call a task, acknowledged; nothing runs it."""
    measured.rate(lambda: tasks.echo(1), 1, rounds=1_000)


def test_enqueue_bulk(measured, tasks) -> None:
    """`parallelize` over 5,000 calls; nothing runs them."""
    measured.rate(lambda: tasks.echo.parallelize([(number,) for number in range(TASKS)]), TASKS, rounds=3)


def test_drain(measured, tasks) -> None:
    """Run 5,000 that wait, to the last result."""
    waiting: list = []

    def fill() -> None:
        waiting[:] = [tasks.echo.parallelize([(number,) for number in range(TASKS)])]

    def drain() -> None:
        with thread_runner(tasks.app, 2):
            waiting[0].get_results(DEADLINE_SEC)

    measured.rate(drain, TASKS, rounds=3, setup=fill)


def test_end_to_end(measured, served) -> None:
    """5,000 by `parallelize`, every result read."""

    def batch() -> None:
        assert sum(served.echo.parallelize([(1,)] * TASKS).results) == TASKS

    measured.rate(batch, TASKS, rounds=3)


def test_latency(measured, served) -> None:
    """One in flight, from the call to its result."""
    measured.latency(lambda: served.echo(1).result)


def test_fan_100(measured, served) -> None:
    """A body that sends 100 and waits for them."""
    measured.latency(lambda: served.fan(100).result, rounds=10)


def test_fan_1000(measured, served) -> None:
    """A body that sends 1,000 and waits for them."""
    measured.latency(lambda: served.fan(1000).result, rounds=3)


def test_fib_8(measured, served) -> None:
    """fib(8) by nested waits on two slots: 67 tasks."""
    measured.latency(lambda: served.fib(8).result, rounds=5)


def test_big_arguments(measured, served) -> None:
    """1 MB of text as an argument."""
    data = "x" * 1_000_000
    measured.rate(lambda: served.size.parallelize([(data,)] * 8).get_results(DEADLINE_SEC), 8, rounds=5)


def test_blocking_io(measured, served) -> None:
    """500 that wait 10 ms each on 32 threads."""
    with thread_runner(served.app, 32):
        measured.rate(lambda: served.nap.parallelize([(0.01,)] * 500).get_results(DEADLINE_SEC), 500, rounds=3)
