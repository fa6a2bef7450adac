"""Says which task blocks an event loop."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback


class LoopWatch:
    """A thread that looks whether the loop ticks, while it has something to do, and names the task if it does not.

    It needs the GIL for that: code that holds it in C is reported when it lets go.
    """

    def __init__(
        self, logger: logging.LoggerAdapter[logging.Logger], loop: asyncio.AbstractEventLoop, thread: int, limit: float
    ) -> None:
        self._logger = logger
        self._loop = loop
        self._thread = thread
        self._limit = limit
        self._ticked = time.monotonic()
        self._active = threading.Event()
        threading.Thread(target=self._look, name="pynenc-loop-watch", daemon=True).start()

    def tick(self, active: bool) -> None:
        """The loop is not blocked; `active`: and it will tick again."""
        self._ticked = time.monotonic()
        if active != self._active.is_set():
            (self._active.set if active else self._active.clear)()

    def _look(self) -> None:
        reported = 0.0
        while True:
            self._active.wait()
            time.sleep(self._limit / 2)
            ticked = self._ticked
            blocked = time.monotonic() - ticked
            if self._active.is_set() and blocked > self._limit and reported != ticked:
                reported = ticked
                self._report(blocked)

    def _report(self, seconds: float) -> None:
        try:
            task = asyncio.current_task(self._loop)
        except RuntimeError:
            task = None
        name = "something other than a task" if task is None else task.get_name()
        frame = sys._current_frames().get(self._thread)
        line = traceback.extract_stack(frame)[-1] if frame is not None else None
        place = "" if line is None else f" at {line.filename}:{line.lineno}"
        self._logger.error(
            "the event loop is blocked for %.1f s by %s%s: nothing else on it goes on meanwhile; a coroutine has to "
            "await, and what blocks or computes belongs into a task that is no coroutine",
            seconds,
            name,
            place,
        )
