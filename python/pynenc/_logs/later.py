"""Write many log lines at once, on a separate thread.

Each write releases the GIL. A slot thread that wrote one line per invocation would pass the GIL to another slot thread
and wait to get it back: 150 to 200 us per invocation, where the rest of a plain invocation takes 20 us.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

GATHER_SEC = 0.1
"""How long lines are gathered before they are written."""

_IDLE_SEC = 1.0
"""How long the thread stays without a line."""

_LIMIT = 50_000
"""The maximum number of waiting lines. A thread that adds one more line first writes them all."""

_AT_ONCE = 200
"""The maximum number of lines in one call of `write`."""


T = TypeVar("T")


class Later(Generic[T]):
    """The lines to write later, in the order in which they were added."""

    def __init__(self, write: Callable[[list[T]], None], lock: threading.RLock) -> None:
        """Make an empty queue.

        Args:
            write: writes a line for each item; must not raise.
            lock: held while lines are written.
        """
        self._write = write
        self._writing = lock
        self._reset()
        _all.add(self)  # type: ignore[arg-type]

    def _reset(self) -> None:
        self._items: deque[T] = deque()
        self._served = False
        self._starting = threading.Lock()

    def add(self, item: T) -> None:
        """Add an item. Does not block, and writes nothing as a rule."""
        self._items.append(item)
        if not self._served or len(self._items) > _LIMIT:
            self._serve_soon()

    def flush(self) -> None:
        """Write all that was added before this call. Does nothing if that is nothing."""
        if not self._items:
            return
        with self._writing:
            while several := self._take():
                self._write(several)

    def flush_within(self, timeout_sec: float) -> None:
        """Do the same, unless another thread writes for longer than `timeout_sec`."""
        if self._items and self._writing.acquire(timeout=timeout_sec):
            try:
                self.flush()
            finally:
                self._writing.release()

    def _take(self) -> list[T]:
        several: list[T] = []
        # A signal handler that logs may take items meanwhile, on this thread.
        with contextlib.suppress(IndexError):
            while len(several) < _AT_ONCE:
                several.append(self._items.popleft())
        return several

    def _serve_soon(self) -> None:
        with self._starting:
            if not self._served:
                try:
                    threading.Thread(target=self._serve, name="pynenc-lines", daemon=True).start()
                    self._served = True
                    return
                except RuntimeError:
                    # The system has no room for a thread, or the interpreter ends.
                    pass
        self.flush()

    def _serve(self) -> None:
        idle = 0.0
        try:
            while idle < _IDLE_SEC:
                time.sleep(GATHER_SEC)
                idle = 0.0 if self._items else idle + GATHER_SEC
                self.flush()
        finally:
            self._served = False
        # A line may have been added between the last check and the line above.
        self.flush()


_all: weakref.WeakSet[Later[object]] = weakref.WeakSet()


def flush_all(timeout_sec: float = 0.2) -> None:
    """Write everything that waits in this process, before it ends without the usual exit of an interpreter.

    Args:
        timeout_sec: how long to wait for a thread that writes, in seconds.
    """
    for later in list(_all):
        with contextlib.suppress(Exception):
            later.flush_within(timeout_sec)


def _forget_in_copy() -> None:
    # The parent writes its lines, and its thread does not exist here.
    for lines in list(_all):
        lines._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_copy)
