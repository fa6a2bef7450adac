"""Makes the event loop of a worker tick, and notices when it does not: blocked by a body, or deaf."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from types import FrameType

from pynenc.util import clock

_BUSY_SEC = 0.25
"""How often the loop ticks while bodies run."""

_IDLE_SEC = 1.0
"""How often the loop ticks while no body runs."""

_DEAF_SEC = 5.0
"""How long a loop may sleep although it was woken, until it counts as deaf. Waking takes microseconds."""

_DEAF_LOOKS = 4
"""How often in a row it must be seen asleep: a loop that is awake but has to wait for the GIL looks asleep."""

_ASYNCIO = os.path.dirname(asyncio.__file__) + os.sep


class Clock:
    """The clock of the interpreter, also after a body has replaced `time.monotonic`."""

    now = staticmethod(clock.monotonic)


class LoopWatchdog:
    """A thread that calls `tick` on the loop: four times a second while bodies run, once a second otherwise.

    If a tick does not come through, the thread reports the task that blocks the loop, or ends the process of a loop
    that sleeps and can no longer be woken. The thread needs the GIL for that: it reports code that holds the GIL in C
    when that code releases it.
    """

    def __init__(
        self,
        logger: logging.LoggerAdapter[logging.Logger],
        loop: asyncio.AbstractEventLoop,
        tick: Callable[[], bool],
        die: Callable[[str], object],
        warn_after_sec: float,
        deaf_after_sec: float,
    ) -> None:
        """
        Args:
            loop: the loop that the calling thread will run.
            tick: called on the loop; returns whether bodies run.
            die: ends the process with this reason; called on the thread of the watch.
            warn_after_sec: how long a body may block the loop until that is reported.
            deaf_after_sec: the upper bound for how long the loop may stay deaf.
        """
        self._logger = logger
        self._loop = loop
        self._tick = tick
        self._die = die
        self._warn_after_sec = warn_after_sec
        self._deaf_after_sec = min(_DEAF_SEC, deaf_after_sec)
        self._thread = threading.get_ident()
        self._asked = 0.0
        self._sent = 0
        self._came_through = 0
        self._busy = threading.Event()
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="pynenc-loop-watch", daemon=True).start()

    def begin(self) -> None:
        """A body begins. On the loop."""
        if not self._busy.is_set():
            self._busy.set()

    def end(self) -> None:
        """The loop ends in order."""
        self._ended.set()
        self._busy.set()

    def _watch(self) -> None:
        reported = looks_asleep = 0
        while not self._ended.is_set():
            if self._busy.wait(_IDLE_SEC):
                self._ended.wait(min(_BUSY_SEC, self._warn_after_sec / 2))
            if not self._is_pending():
                looks_asleep = 0
                self._send()
                continue
            late = Clock.now() - self._asked
            frame = sys._current_frames().get(self._thread)
            asleep = late > self._deaf_after_sec and _is_asleep(frame)
            looks_asleep = looks_asleep + 1 if asleep else 0
            if looks_asleep >= _DEAF_LOOKS and self._is_pending() and not self._ended.is_set():
                self._die(f"its event loop could not be woken for {late:.1f} s")
            if not asleep and self._busy.is_set() and late > self._warn_after_sec and reported != self._sent:
                reported = self._sent
                self._report(late, frame)

    def _is_pending(self) -> bool:
        """Whether the loop owes a tick."""
        return self._came_through != self._sent

    def _send(self) -> None:
        self._asked = Clock.now()
        self._sent += 1
        try:
            self._loop.call_soon_threadsafe(self._come_through, self._sent)
        except RuntimeError as error:
            if not self._ended.is_set():
                self._die(f"its event loop is closed: {error}")

    def _come_through(self, sent: int) -> None:
        """On the loop."""
        self._came_through = sent
        if not self._ended.is_set() and not self._tick():
            self._busy.clear()

    def _report(self, seconds: float, frame: FrameType | None) -> None:
        try:
            task = asyncio.current_task(self._loop)
        except RuntimeError:
            task = None
        name = "something other than a task" if task is None else task.get_name()
        line = traceback.extract_stack(frame)[-1] if frame is not None else None
        place = "" if line is None else f" at {line.filename}:{line.lineno}"
        self._logger.error(
            "the event loop is blocked for %.1f s by %s%s: nothing else on it goes on meanwhile; a coroutine has to "
            "await, and what blocks or computes belongs into a task that is no coroutine",
            seconds,
            name,
            place,
        )


def _is_asleep(frame: FrameType | None) -> bool:
    """Whether a thread at this frame waits in its event loop, so that no body, task or callback blocks the loop."""
    if frame is None:
        return False
    path = frame.f_code.co_filename
    if path.endswith(os.sep + "selectors.py"):
        # A body may use a selector of its own.
        caller = frame.f_back
        return caller is not None and caller.f_code.co_filename.startswith(_ASYNCIO)
    # A loop that is not written in Python has no frame: the innermost one is that of the worker.
    return path.endswith(os.sep + "loop_worker.py") and frame.f_code.co_name == "iterate"
