"""Wait for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE_SEC = 0.005


def wait_until(condition: Callable[[], T], what: str = "the condition", deadline_sec: float = 30.0) -> T:
    """Poll until `condition()` is true and return its value. Raises `AssertionError` at the deadline."""
    deadline = time.monotonic() + deadline_sec
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {deadline_sec:g} s")
        time.sleep(_PAUSE_SEC)
    return value
