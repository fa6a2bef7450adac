"""The one thread of a process that keeps the time for its bodies. The first body that has a limit starts it."""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import os
import threading
from typing import Protocol

from pynenc.util import clock

GRACE_SEC = 1.0
"""How long after its `timeout` a body gets to end by the exception."""

_LOG = logging.getLogger("pynenc")


class Timed(Protocol):
    """What the timer calls."""

    ended: bool
    """Whether there is nothing to call any more."""

    def fire(self) -> float:
        """Interrupt a body; return when to call again, by the monotonic clock."""


class Timer:
    """Interrupts bodies at their time, on one thread that the first of them starts."""

    _SPARE = 64

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.heap: list[tuple[float, int, Timed]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition(threading.Lock())
        self._started = False
        self._tidy_at = self._SPARE

    def add(self, limit: Timed, at: float) -> None:
        """Have `limit.fire` called at this time of the monotonic clock, unless its body has ended by then."""
        self.start()
        with self._changed:
            if len(self.heap) >= self._tidy_at:
                # Bodies that end in time leave their entries behind.
                self.heap = [entry for entry in self.heap if not entry[2].ended]
                heapq.heapify(self.heap)
                self._tidy_at = 2 * len(self.heap) + self._SPARE
            entry = (at, next(self._numbers), limit)
            heapq.heappush(self.heap, entry)
            if self.heap[0] is entry:
                self._changed.notify()

    def start(self) -> None:
        """Make sure that its thread runs. `RuntimeError` if the system has none left."""
        if self._started:
            return
        with self._changed:
            if not self._started:
                threading.Thread(target=self._run, name="pynenc-limits", daemon=True).start()
                self._started = True

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self.heap or self.heap[0][0] > clock.monotonic():
                    until = self.heap[0][0] - clock.monotonic() if self.heap else None
                    self._changed.wait(until)
                _, _, limit = heapq.heappop(self.heap)
            if limit.ended:
                continue
            try:
                again = limit.fire()
            except Exception:
                _LOG.exception("a body could not be interrupted")
                continue
            if again < math.inf:
                self.add(limit, again)


_timer: Timer | None = None
_timer_lock = threading.Lock()


def the_timer() -> Timer:
    """Return the timer of this process. A forked child has the object, but not the thread, so it gets a new one."""
    global _timer
    with _timer_lock:
        if _timer is None or _timer.pid != os.getpid():
            _timer = Timer()
        return _timer


def keep_time() -> None:
    """Make sure that bodies can be interrupted from now on. Raises `RuntimeError` if the system has no thread left."""
    the_timer().start()
