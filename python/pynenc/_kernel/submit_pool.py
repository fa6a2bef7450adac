"""A few threads per app that call blocking functions for event loops: submissions, and questions to the store.

A submission is acknowledged when the store has it, which may take the time of a disk or a network. The threads start
when there is work, at most `MOST_THREADS` per app, so that a store that hangs delays no other app. They end when they
have had no work for a while.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import functools
import queue
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from pynenc._kernel.per_process import ProcessMark
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc._kernel.runtime import AppRuntime

T = TypeVar("T")

MOST_THREADS = 4
"""How many submissions of one app are under way at once; the others wait for their turn, in order."""

_IDLE_SEC = 5.0
_PATIENCE_SEC = 1.5
"""How long the end of the program waits for what is under way."""


async def off_the_loop(
    runtime: AppRuntime, func: Callable[[], T], lost: Callable[[Future[T]], None] | None = None
) -> T:
    """Call `func` on a thread of the app, in the context of the caller, and return or raise its outcome.

    If the await is cancelled before a thread is free, `func` is not called. Later `func` goes on to its end, and `lost`
    is called with its future.
    """
    future: Future[T] = Future()
    runtime.submit_pool.put(future, functools.partial(contextvars.copy_context().run, func))
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        if lost is not None and not future.cancel():
            future.add_done_callback(lost)
        raise


class SubmitPool:
    """The threads of one app in one process, and the calls that wait for them."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._alive = 0
        self._open = 0
        """Jobs that have been put and have not ended."""
        self._mark = ProcessMark()
        _known.add(self)

    def put(self, future: Future[T], call: Callable[[], T]) -> None:
        """Queue a call. `future` gets its outcome; a future that is cancelled before then withdraws the call."""
        with self._lock:
            self._open += 1
            more = self._alive < min(self._open, MOST_THREADS)
            self._alive += more
            self._jobs.put((future, call))
        if more:
            threading.Thread(target=self._work, name="pynenc-submit", daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=_IDLE_SEC)
            except queue.Empty:
                with self._lock:
                    if self._jobs.empty():
                        self._alive -= 1
                        return
                continue
            _do(*job)
            # Not held while waiting for the next.
            del job
            with self._lock:
                self._open -= 1
                if not self._open:
                    self._changed.notify_all()

    def finish(self, deadline: float) -> None:
        """Wait until all calls have ended, at most until `deadline`. A forked child has nothing to wait for."""
        if not self._mark.is_here:
            return
        with self._lock:
            while self._open and (left := deadline - clock.monotonic()) > 0:
                self._changed.wait(left)


def _do(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        value = call()
    except BaseException as error:
        # Without this frame, which would hold the future that holds the error.
        future.set_exception(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
    else:
        future.set_result(value)


_known: weakref.WeakSet[SubmitPool] = weakref.WeakSet()


@atexit.register
def _finish_all() -> None:
    """A thread that returns from Rust while the interpreter is finalized would be torn down by force."""
    deadline = clock.monotonic() + _PATIENCE_SEC
    for pool in list(_known):
        pool.finish(deadline)
