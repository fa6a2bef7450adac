"""Far too large values (E6) are refused before the store receives them, and without a second copy."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from support.crossings import counting
from support.worlds import World

from pynenc.exceptions import PayloadTooLargeError

HUGE = 100_000_000


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: "x" * HUGE, id="text"),
        pytest.param(lambda: b"x" * HUGE, id="bytes"),
        pytest.param(lambda: ["x" * (HUGE // 100)] * 100, id="list"),
    ],
)
def test_a_huge_argument_is_refused_without_another_copy_of_it(world: World, make: Callable[[], Any]) -> None:
    task, value = world.jobs.faults.take_anything, make()
    # Every first call of a task does this.
    task(1)
    with counting() as crossings:
        before = crossings.counts()
        tracemalloc.start()
        try:
            with pytest.raises(PayloadTooLargeError, match="max_payload_bytes"):
                task(value)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert "Store.submit" not in crossings.during(before)
    # With the argument itself 2.5 times its size.
    assert peak < 1.5 * HUGE, f"{peak / HUGE:.2f} times the size of the argument"


def test_a_million_small_values_pass_and_more_than_fits_is_refused(world: World) -> None:
    numbers = list(range(1_000_000))
    invocation = world.jobs.faults.take_anything(numbers)
    world.start()
    assert invocation.get_result(timeout=60) == numbers
    with pytest.raises(PayloadTooLargeError, match="max_payload_bytes"):
        world.jobs.faults.take_anything([*numbers, *numbers])
