"""Step 2, submit, on an event loop: the same functions as elsewhere, called on a few threads of the app.

Threads, because a submission is acknowledged when the store has it, and may have to wait for a disk or a network. They
are started when needed, at most `MOST_THREADS` per app, so that a store that hangs holds up no other app; they end when
there has been nothing to do for a while.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import functools
import os
import queue
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc.app import Pynenc

T = TypeVar("T")

MOST_THREADS = 4
"""How many submissions of one app are under way at once; the others wait for their turn, in order."""

_IDLE_SEC = 5.0
_PATIENCE_SEC = 1.5
"""How long the end of the program waits for what is under way."""


async def off_the_loop(app: Pynenc, func: Callable[[], T], lost: Callable[[Future[T]], None] | None = None) -> T:
    """What `func()` returns or raises, called on a thread of the app, in the context of the caller.

    Cancelled before its turn has come, it is not called. Later it goes on, and `lost` is called with its end.
    """
    future: Future[T] = Future()
    app._errands.put(future, functools.partial(contextvars.copy_context().run, func))
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        if lost is not None and not future.cancel():
            future.add_done_callback(lost)
        raise


class Errands:
    """The threads of one app in one process, and what waits for them."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._threads = 0
        self._open = 0
        """Jobs that have been put and have not ended."""
        self._pid = os.getpid()
        _known.add(self)

    def put(self, future: Future[T], call: Callable[[], T]) -> None:
        """Have `call()` made when its turn comes, and `future` told, unless that is cancelled until then."""
        with self._lock:
            self._open += 1
            more = self._threads < min(self._open, MOST_THREADS)
            self._threads += more
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
                        self._threads -= 1
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
        """Wait until all have ended, or until then. In a forked child there is nothing to wait for."""
        if self._pid != os.getpid():
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


_known: weakref.WeakSet[Errands] = weakref.WeakSet()


@atexit.register
def _finish_all() -> None:
    """A thread that returns from Rust while the interpreter is finalized would be torn down by force."""
    deadline = clock.monotonic() + _PATIENCE_SEC
    for errands in list(_known):
        errands.finish(deadline)
