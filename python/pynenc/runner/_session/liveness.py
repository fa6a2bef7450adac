"""Whether a loop that a user has written is alive: its claims live for as long as it goes round."""

from __future__ import annotations

import contextlib
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pynenc.exceptions import RunnerError
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc.runner._session.identity import RunnerLog

FOR_EVER_SEC = 3e9


class LoopLiveness:
    """From the first iteration to `end`: a loop without a sign for longer than `limit_sec` loses its claims to others.

    A sign is that an iteration begins, or asks for work: a loop may be one iteration that lasts for ever. A body that
    the loop runs on its own thread does not count: how long a body may take is for its `timeout` to say.
    Made on the thread of the loop. A second thread watches, since a loop that is stuck cannot log anything.
    """

    def __init__(self, logger: RunnerLog, engine: _core.Engine, limit_sec: float) -> None:
        self._logger = logger
        self._engine = engine
        self._limit_sec = limit_sec
        self._loop = threading.get_ident()
        self._bodies = 0
        self._began = clock.monotonic()
        self._warned: float | None = None
        self._stuck = False
        self._ended = threading.Event()
        threading.Thread(target=self._watch, name="pynenc-loop-watch", daemon=True).start()

    def beat(self) -> None:
        """An iteration begins, or asks for work. From any thread."""
        if self._bodies:
            return
        if self._stuck:
            self._stuck = False
            self._logger.warning(
                "the loop goes on after %.1f s; what it still finishes of what it had claimed is refused if another "
                "runner has taken it over",
                clock.monotonic() - self._began,
            )
        self._renew(self._limit_sec)

    @contextlib.contextmanager
    def body(self) -> Iterator[None]:
        """Around a body: if it runs on the thread of the loop, the time does not count."""
        if threading.get_ident() != self._loop or self._ended.is_set():
            yield
            return
        self._bodies += 1
        self._renew(FOR_EVER_SEC)
        try:
            yield
        finally:
            self._bodies -= 1
            if not self._bodies:
                self._renew(self._limit_sec)

    def end(self) -> None:
        """There is no loop any more: what still runs keeps its leases until it is handed back."""
        self._ended.set()
        self._renew(FOR_EVER_SEC)

    def _renew(self, good_for_sec: float) -> None:
        self._began = clock.monotonic()
        with contextlib.suppress(RunnerError):
            # The engine is closed.
            self._engine.alive_for(good_for_sec)

    def _watch(self) -> None:
        """On a thread of its own, which wakes a few times in each limit: say what is late, and what became of it."""
        while not self._ended.wait(self._limit_sec / 4):
            began, seconds = self._began, clock.monotonic() - self._began
            if self._bodies:
                continue
            if seconds > self._limit_sec and not self._stuck:
                self._stuck = True
                self._logger.error(
                    "the loop has given no sign for %.1f s%s: the leases of this runner are renewed no longer, "
                    "and other runners take over what it has claimed (loop_limit_sec is %g s)",
                    seconds,
                    self._place(),
                    self._limit_sec,
                )
            elif seconds > self._limit_sec / 2 and self._warned != began:
                self._warned = began
                self._logger.warning(
                    "the loop has given no sign for %.1f s%s: at loop_limit_sec (%g s) its claims go to other runners",
                    seconds,
                    self._place(),
                    self._limit_sec,
                )

    def _place(self) -> str:
        frame = sys._current_frames().get(self._loop)
        if frame is None:
            return ""
        line = traceback.extract_stack(frame)[-1]
        return f" and is at {line.filename}:{line.lineno}"
