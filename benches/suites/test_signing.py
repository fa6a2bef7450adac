"""What do `signing_keys` cost? Client, store and runner share this process, so its CPU time is that of whole tasks."""

from __future__ import annotations

import importlib
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from benchkit.runners import DEADLINE_SEC, thread_runner

from pynenc import Pynenc

TASKS = 2_000
ROUNDS = 25
KEYS = "2026-07:" + "5" * 64


@pytest.fixture
def rounds(
    url_of: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], tuple[float, float]]]:
    """CPU seconds of a batch without signatures, and of one with them, right after each other."""
    with ExitStack() as stack:
        batches = []
        for keys in ("", KEYS):
            monkeypatch.setenv("BENCH_APP", f"bench-{uuid.uuid4().hex[:8]}")
            monkeypatch.setenv("PYNENC__STORE_URL", url_of("memory"))
            monkeypatch.setenv("PYNENC__SIGNING_KEYS", keys)
            Pynenc._clear_instances()
            sys.modules.pop("bench_tasks", None)
            module = importlib.import_module("bench_tasks")
            stack.enter_context(thread_runner(module.app, 2))
            batches.append(module.echo)

        def one(task) -> float:
            before = time.process_time()
            task.parallelize([(1,)] * TASKS).get_results(DEADLINE_SEC)
            return time.process_time() - before

        yield lambda: (one(batches[0]), one(batches[1]))


def test_signed_per_unsigned(measured, rounds) -> None:
    """CPU of 2,000 tasks with signed arguments and results, over that of 2,000 without; median of 25 pairs."""
    rounds()
    measured.value(
        lambda: statistics.median(signed / plain for plain, signed in (rounds() for _ in range(ROUNDS))), "x"
    )


def test_signing_us(measured, rounds) -> None:
    """Microseconds of CPU that signatures add to a task: sign and verify its arguments, sign and verify its result."""
    rounds()
    added = statistics.median
    measured.value(
        lambda: added(signed - plain for plain, signed in (rounds() for _ in range(ROUNDS))) / TASKS * 1e6, "us"
    )
