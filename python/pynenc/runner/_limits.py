"""Time limits of bodies: `soft_timeout` and `timeout` of a task.

Each limit interrupts the body: what runs on a thread gets a `TaskTimeoutError` at its next bytecode, a coroutine is
cancelled at its next `await`. A body that still runs `GRACE_SEC` after its `timeout` is given up, as its runner can.

Bodies without limits meet nothing of this. The first one that has some starts the one thread that keeps the time.
"""

from __future__ import annotations

import asyncio
import ctypes
import heapq
import itertools
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from pynenc.exceptions import TaskTimeoutError

GRACE_SEC = 1.0
"""How long after its `timeout` a body gets to end by the exception."""

_SOON_SEC = 0.002
"""When to look again at a body that is just about to begin."""

_LOG = logging.getLogger("pynenc")


class Limits(NamedTuple):
    """Seconds from the start of the body; infinity is no limit."""

    soft: float
    hard: float

    def describe(self, stage: str) -> str:
        """What a body did that was interrupted at this stage."""
        name, seconds = ("soft_timeout", self.soft) if stage == "soft" else ("timeout", self.hard)
        return f"ran longer than its {name} of {seconds:g} s"


def limits_of(soft_timeout: float, timeout: float) -> Limits | None:
    """The limits that two options mean, 0 being none; None without any."""
    if not soft_timeout and not timeout:
        return None
    return Limits(soft_timeout or math.inf, timeout or math.inf)


class Timer:
    """Calls functions at their time, on one thread that is started by the first of them."""

    _SPARE = 64

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._heap: list[tuple[float, int, BodyLimit]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition(threading.Lock())
        self._started = False
        self._tidy_at = self._SPARE

    def add(self, limit: BodyLimit) -> None:
        """Have `limit.fire` called at its `next_at`, unless its body has ended by then."""
        with self._changed:
            if len(self._heap) >= self._tidy_at:
                # Bodies that end in time leave their entries behind.
                self._heap = [entry for entry in self._heap if not entry[2].ended]
                heapq.heapify(self._heap)
                self._tidy_at = 2 * len(self._heap) + self._SPARE
            entry = (limit.next_at, next(self._numbers), limit)
            heapq.heappush(self._heap, entry)
            if not self._started:
                threading.Thread(target=self._run, name="pynenc-limits", daemon=True).start()
                self._started = True
            elif self._heap[0] is entry:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._heap or self._heap[0][0] > time.monotonic():
                    until = self._heap[0][0] - time.monotonic() if self._heap else None
                    self._changed.wait(until)
                _, _, limit = heapq.heappop(self._heap)
            if limit.ended:
                continue
            try:
                again = limit.fire()
            except Exception:
                _LOG.exception("a time limit could not be kept")
                continue
            if again:
                self.add(limit)


_timer: Timer | None = None
_timer_lock = threading.Lock()


def _the_timer() -> Timer:
    """That of this process: a forked child has the object, but not the thread."""
    global _timer
    with _timer_lock:
        if _timer is None or _timer._pid != os.getpid():
            _timer = Timer()
        return _timer


_set_async_exc = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.py_object)(
    ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
)
_clear_async_exc = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)(
    ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
)


class BodyLimit:
    """The limits of one body on the thread that makes this object.

    The exception can hit this body only. Whoever holds the lock `_over` decides: the body's thread holds it before and
    after the body, the timer while it sends an exception. At the end the thread takes it for good, and removes what was
    sent and has not arrived. The lock is reentrant, for an exception can arrive while the end is under way.
    """

    def __init__(self, limits: Limits, give_up: Callable[[BodyLimit], None], *, interrupts: bool = True) -> None:
        """
        Args:
            give_up: called on the timer's thread when the body does not stop; must not block.
            interrupts: whether the limits raise; otherwise only what is given up gets an exception.
        """
        self._limits = limits
        self._give_up = give_up
        self._interrupts = interrupts
        self._thread = threading.get_ident()
        self._began = time.monotonic()
        self.ended = False
        """Whether the body has ended, or is about to."""
        self.stage = ""
        """The limit that was reached last: empty, `soft`, `hard`, or `gave up`."""
        self._next = "soft" if interrupts and limits.soft < limits.hard else "hard"
        self._over = threading.RLock()
        self._over.acquire()
        self._plan()

    def _plan(self) -> None:
        limits, grace = self._limits, GRACE_SEC
        if self._next == "soft":
            after = limits.soft
        elif self._next == "hard":
            after = limits.hard if self._interrupts else limits.hard + grace
        else:
            after = limits.hard + grace if self._next == "give up" else math.inf
        self.next_at = self._began + after

    def run(self, body: Callable[[], Any]) -> Any:
        """What `body` returns. A limit that is reached raises `TaskTimeoutError` in it."""
        # An exception can arrive at every call and at the beginning of every function, so also in `_stop`. There are
        # two at most, so the third call at the latest is not disturbed, and after one that is through none can come.
        try:
            try:
                try:
                    if self.next_at < math.inf:
                        _the_timer().add(self)
                    self._over.release()
                    return body()
                finally:
                    self._stop()
            finally:
                self._stop()
        finally:
            self._stop()

    def _stop(self) -> None:
        self.ended = True
        self._over.acquire()
        _clear_async_exc(self._thread, None)

    def fire(self) -> bool:
        """On the timer's thread: a limit is reached. Whether there is another one."""
        if not self._over.acquire(blocking=False):
            # The body is about to begin, or to end.
            self.next_at = time.monotonic() + _SOON_SEC
            return not self.ended
        try:
            if self.ended:
                return False
            if self._next == "soft" or (self._next == "hard" and self._interrupts):
                self.stage = self._next
                self._next = "hard" if self._next == "soft" else "give up"
                self._plan()
                _set_async_exc(self._thread, TaskTimeoutError)
                return self.next_at < math.inf
            self.stage, self._next = "gave up", "nothing"
            self._plan()
            if not self._interrupts:
                _set_async_exc(self._thread, TaskTimeoutError)
            self._give_up(self)
            return False
        finally:
            self._over.release()


class CoroutineLimit:
    """The limits of one coroutine body, kept by its event loop."""

    def __init__(self, limits: Limits, give_up: Callable[[], None] | None = None) -> None:
        self._limits = limits
        self._give_up = give_up
        self.stage = ""
        """As of `BodyLimit`."""

    async def run(self, body: Coroutine[Any, Any, Any]) -> Any:
        """What `body` returns. A limit that is reached cancels it; when it has ended, `TaskTimeoutError`."""
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        before = task.cancelling()
        cancelled = 0

        def cancel(stage: str) -> None:
            nonlocal cancelled
            self.stage = stage
            cancelled += 1
            task.cancel()

        def give_up(settle: Callable[[], None]) -> None:
            self.stage = "gave up"
            settle()

        soft, hard = self._limits
        calls = []
        if soft < hard:
            calls.append(loop.call_later(soft, cancel, "soft"))
        if hard < math.inf:
            calls.append(loop.call_later(hard, cancel, "hard"))
            if self._give_up is not None:
                calls.append(loop.call_later(hard + GRACE_SEC, give_up, self._give_up))
        try:
            return await body
        except asyncio.CancelledError as error:
            if cancelled and task.cancelling() - cancelled <= before:
                raise TaskTimeoutError from error
            raise
        finally:
            for call in calls:
                call.cancel()
            for _ in range(cancelled):
                task.uncancel()
