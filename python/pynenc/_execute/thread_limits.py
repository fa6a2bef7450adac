"""Interrupts bodies on threads: at the limits of their task, and when they are cancelled.

The body gets an exception at its next bytecode. A body that still runs `GRACE_SEC` after its `timeout`, or
`cancel_grace_sec` after it was cancelled, is given up, as its runner can.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pynenc._execute.thread_start import thread_start
from pynenc._execute.timer import GRACE_SEC, the_timer
from pynenc.conf.body_limits import Limits
from pynenc.exceptions import TaskCancelledError, TaskTimeoutError
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc._execute.coroutine_limits import CoroutineLimit

_SOON_SEC = 0.002
"""When to look again at a body that is just about to begin."""

_set_async_exc = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.py_object)(
    ("PyThreadState_SetAsyncExc", ctypes.pythonapi)
)


class _Withdrawn(BaseException):
    """Takes the place of an exception that was sent to this thread and may not have arrived."""


def _withdraw_async_exc() -> None:
    """No exception that was sent to the calling thread arrives after this.

    Replaced by one that is caught here, not by none: CPython up to 3.12 remembers for the whole interpreter that one is
    on its way until some thread has received one. Until then every loop and call takes the slow way, and in 3.11 a
    function that begins under `sys.setprofile` never does.
    """
    try:
        if _set_async_exc(threading.get_ident(), _Withdrawn) == 1:
            while True:
                # It comes at the next jump at the latest.
                pass
    except _Withdrawn:
        pass


class BodyLimit:
    """What may interrupt one body on the thread that makes this object: its limits, if it has any, and a cancellation.

    The exception can hit this body only. The holder of the lock `_over` decides: the body's thread holds it before and
    after the body, the timer while it sends an exception. At the end the thread takes it for good, and removes what was
    sent and has not arrived. The lock is reentrant, for an exception can arrive while the end is under way.
    """

    __slots__ = (
        "_began",
        "_give_up",
        "_inner",
        "_limits",
        "_next",
        "_over",
        "_sent",
        "_thread",
        "_wake",
        "_wish",
        "ended",
        "next_at",
        "stage",
    )

    def __init__(
        self,
        limits: Limits | None,
        give_up: Callable[[BodyLimit], None],
        *,
        inner: CoroutineLimit | None = None,
        wake: Callable[[], None] | None = None,
        thread: int | None = None,
    ) -> None:
        """
        Args:
            thread: the thread of a body that runs already; the caller makes sure that it still runs.
            give_up: called on the timer's thread when the body does not stop; must not block.
            inner: interrupts the body in place of exceptions, if that is a coroutine on a loop of this thread.
            wake: makes the body return from a wait in Rust, where no exception arrives; must not block.
        """
        self._limits = limits
        self._give_up = give_up
        self._inner = inner
        self._wake = wake
        self._thread = threading.get_ident() if thread is None else thread
        self._wish: float | None = None
        self._sent = False
        self.ended = False
        """Whether the body has ended, or is about to."""
        self.stage = ""
        """What interrupted it last: empty, `soft`, `hard`, `cancelled`; or `gave up`, after one of the latter two."""
        self.next_at = math.inf
        """When it is interrupted next, by the monotonic clock."""
        self._over = threading.RLock()
        if thread is None:
            self._over.acquire()
        if limits is not None:
            self._began = clock.monotonic()
            self._next = "soft" if inner is None and limits.soft < limits.hard else "hard"
            self._plan(limits)

    def _plan(self, limits: Limits) -> None:
        grace = GRACE_SEC
        if self._next == "soft":
            after = limits.soft
        elif self._next == "hard":
            after = limits.hard if self._inner is None else limits.hard + grace
        else:
            after = limits.hard + grace if self._next == "give up" else math.inf
        self.next_at = self._began + after

    @property
    def thread(self) -> int:
        """Identifier of the body's thread."""
        return self._thread

    @property
    def is_over(self) -> bool:
        """Whether the body is to end now, so that it needs no slot any more."""
        return self.stage in ("hard", "cancelled", "gave up")

    @property
    def cancelled_after(self) -> float | None:
        """The grace that it was given when it was cancelled; None if it was not."""
        return self._wish

    def run(self, body: Callable[[], Any]) -> Any:
        """What `body` returns. What interrupts it raises `TaskTimeoutError` or `TaskCancelledError` in it."""
        # An exception can arrive at every call and at the beginning of every function, so also in `_stop`. There are
        # three at most, so the fourth call at the latest is not disturbed, and after one that is through none can come.
        try:
            try:
                try:
                    try:
                        if self.next_at < math.inf:
                            the_timer().add(self, self.next_at)
                        self._over.release()
                        return body()
                    finally:
                        self._stop()
                finally:
                    self._stop()
            finally:
                self._stop()
        finally:
            self._stop()

    def _stop(self) -> None:
        if not self.ended or self._sent:
            self.ended = True
            self._over.acquire()
            if self._sent:
                _withdraw_async_exc()
                self._sent = False

    def leave_to_parent(self) -> None:
        """End the limit in a forked copy, where no timer runs and perhaps no thread ever releases the lock."""
        self.ended, self._sent = True, False

    def finish(self) -> None:
        """On the body's thread: nothing is sent after this, and what was sent and has not arrived never does."""
        try:
            self._stop()
        finally:
            self._stop()

    def held(self) -> contextlib.AbstractContextManager[Any]:
        """While this is held `finish` waits, and no other thread interrupts the body."""
        return self._over

    def cancel_at_once(self, grace_sec: float) -> None:
        """As `cancel`, by who holds it and knows that the body runs."""
        self._wish = grace_sec
        self.stage, self._next = "cancelled", "give up"
        self.next_at = clock.monotonic() + grace_sec
        self._send(TaskCancelledError)
        the_timer().add(self, self.next_at)

    def cancel(self, grace_sec: float) -> None:
        """From any other thread, and more than once: interrupt it now, and give it up after so long."""
        if self._wish is None:
            self._wish = grace_sec
            the_timer().add(self, clock.monotonic())

    def fire(self) -> float:
        """On the timer's thread: something interrupts the body. When to come back, by the monotonic clock."""
        now = clock.monotonic()
        if not self._over.acquire(blocking=False):
            # The body is about to begin, or to end.
            return math.inf if self.ended else now + _SOON_SEC
        try:
            if self.ended:
                return math.inf
            if self._wish is not None and self.stage in ("", "soft"):
                self.stage, self._next = "cancelled", "give up"
                self.next_at = now + self._wish
                if self._inner is not None:
                    self._inner.cancel(math.inf)
                else:
                    self._send(TaskCancelledError)
                return self.next_at
            if now < self.next_at:
                # The plan has changed since.
                return math.inf
            limits = self._limits
            if limits is not None and (self._next == "soft" or (self._next == "hard" and self._inner is None)):
                self.stage = self._next
                self._next = "hard" if self._next == "soft" else "give up"
                self._plan(limits)
                self._send(TaskTimeoutError)
                return self.next_at
            if self._next == "nothing":
                return math.inf
            self.stage, self._next = "gave up", "nothing"
            self.next_at = math.inf
            if self._inner is not None:
                self._send(TaskTimeoutError if self._wish is None else TaskCancelledError)
            self._give_up(self)
            return math.inf
        finally:
            self._over.release()

    def _send(self, error: type[BaseException]) -> None:
        self._sent = True
        with thread_start:
            _set_async_exc(self._thread, error)
        if self._wake is not None:
            self._wake()
