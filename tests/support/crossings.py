"""Count the calls from Python into the extension, thread by thread, without touching either side."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from pynenc import _core

HANDLES = (_core.Store, _core.Engine, _core.Waiter, _core.Completions, _core.LoopAlarm, _core.Lending)


class Crossings:
    """The calls by `(Class, method)` name, in the calling thread and in all threads that start while it counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def profile(self, frame: FrameType, event: str, arg: Any) -> None:
        """For `sys.setprofile`."""
        if event != "c_call":
            return
        owner = getattr(arg, "__self__", None)
        if isinstance(owner, HANDLES):
            with self._lock:
                self._counts[f"{type(owner).__name__}.{arg.__name__}"] += 1

    def counts(self) -> Counter[str]:
        """So far."""
        with self._lock:
            return Counter(self._counts)

    def during(self, before: Counter[str]) -> dict[str, int]:
        """Since `before`."""
        return dict(self.counts() - before)


@contextmanager
def counting() -> Iterator[Crossings]:
    """Count in this thread, and in those that start inside the block."""
    crossings = Crossings()
    threading.setprofile(crossings.profile)
    sys.setprofile(crossings.profile)
    try:
        yield crossings
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
