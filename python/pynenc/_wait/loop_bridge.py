"""The bridge between one event loop and an app's store: one descriptor wakes the loop for all awaits."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pynenc._engine.running import LoopAlarm
from pynenc._kernel.per_process import ProcessMark

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._wait.loops import LoopWaits

_LOOK_SEC = 1.0
"""How often a thread that wakes a loop checks that the loop still exists, in seconds."""

_PACE_SEC = 8.0
"""The minimum time between two polls for late awaits, because a poll reads all of them.

Longer than a worker needs to find that its loop cannot be woken (`runner/_worker_process/loop_watchdog.py`): a poll
wakes the loop.
"""


class LoopBridge:
    """The waits of one event loop, and the alarm that all of them share. Exists while anything waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.waits_by_body: dict[str, LoopWaits] = {}
        self._mark = ProcessMark()
        self._loop = weakref.ref(loop)
        self._alarm: LoopAlarm | None = None
        self._finalizer: weakref.finalize[Any, Any] | None = None
        self._listeners: dict[int, Callable[[], None]] = {}
        self._overdue: asyncio.TimerHandle | None = None

    def expect_news(self, patience_sec: float) -> None:
        """Poll later whether something is still awaited. One timer serves all awaits of the loop."""
        loop = self.loop
        if self._overdue is None and patience_sec and loop is not None:
            self._overdue = loop.call_later(patience_sec, self._news_overdue, patience_sec)

    def _news_overdue(self, patience_sec: float) -> None:
        self._overdue = None
        loop = self.loop
        if loop is None or not self.waits_by_body:
            return
        before = loop.time() - patience_sec
        others = [waits.say_why_late(before) for waits in list(self.waits_by_body.values())]
        # The others are overdue; the same awaits are polled again with them.
        next_late = min((began for began in others if began is not None), default=before + patience_sec)
        pace = max(_PACE_SEC, patience_sec / 5)
        self._overdue = loop.call_later(max(pace, next_late - before), self._news_overdue, patience_sec)

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        return self._loop()

    @property
    def is_here(self) -> bool:
        """False in a copy of the process that created it."""
        return self._mark.is_here

    def listen(self, store: _core.Store, heard: Callable[[], None]) -> _core.Completions:
        """Return the completions of `store`; the loop calls `heard` when they must be drained."""
        alarm = self._alarm
        if alarm is None:
            alarm = LoopAlarm()
            self._watch(alarm)
            self._alarm = alarm
        try:
            completions = store.completions(alarm)
        except BaseException:
            self._rest()
            raise
        self._listeners[completions.token] = heard
        return completions

    def leave(self, waits: LoopWaits, completions: _core.Completions) -> bool:
        """`waits` is idle, and closed unless it was before."""
        if self._listeners.pop(completions.token, None) is None:
            return False
        for key in [key for key, known in self.waits_by_body.items() if known is waits]:
            del self.waits_by_body[key]
        completions.close()
        self._rest()
        return True

    def _rest(self) -> None:
        """Without listeners, no alarm."""
        alarm, loop = self._alarm, self.loop
        if self._listeners or alarm is None:
            return
        self._alarm = None
        if self._finalizer is not None:
            # It would keep the descriptors of the alarm for as long as the loop is there.
            self._finalizer.detach()
            self._finalizer = None
        elif loop is not None:
            loop.remove_reader(alarm.fileno())
        alarm.close()

    def _watch(self, alarm: LoopAlarm) -> None:
        loop = self.loop
        if loop is None:
            return
        try:
            loop.add_reader(alarm.fileno(), self._rung)
        except NotImplementedError:
            args: Any = (alarm, weakref.ref(self))
            threading.Thread(target=_ring_from_thread, args=args, name="pynenc-loop", daemon=True).start()
            # An app forgets this object with its loop, which ends the thread.
            self._finalizer = weakref.finalize(self, alarm.close)
            self._finalizer.atexit = False

    def _is_done_with(self, alarm: LoopAlarm) -> bool:
        """Asked by the thread, which may ring before `listen` has come to its end."""
        return self._alarm is not alarm and self._finalizer is None

    def _rung(self) -> None:
        alarm = self._alarm
        # The thread may have woken the loop before it knew that nothing listens.
        if alarm is not None:
            self._hear(alarm.take())

    def _hear(self, tokens: list[int]) -> None:
        at = 0
        try:
            while at < len(tokens):
                heard = self._listeners.get(tokens[at])
                if heard is not None:
                    heard()
                at += 1
        finally:
            # An interrupted body leaves during this; nothing would wake the loop for the remaining waits.
            loop = self.loop
            if at < len(tokens) and loop is not None and not loop.is_closed():
                loop.call_soon(self._hear, tokens[at:])


def _ring_from_thread(alarm: LoopAlarm, bridge: weakref.ref[LoopBridge]) -> None:
    """Watch a descriptor on a thread, for loops that cannot watch one, until the alarm is closed.

    The thread holds the alarm, so that the descriptor stays valid, but neither the bridge nor the loop, whose end
    closes it.
    """
    import select

    descriptor = alarm.fileno()
    while True:
        select.select([descriptor], [], [])
        alive = bridge()
        loop = None if alive is None else alive.loop
        if alive is None or loop is None or alive._is_done_with(alarm):
            return
        taken = threading.Event()
        try:
            loop.call_soon_threadsafe(_ring, bridge, taken)
        except RuntimeError:
            # The loop is closed.
            return
        del alive
        while not taken.wait(_LOOK_SEC):
            if loop.is_closed():
                # It ended before it came to that.
                return
        del loop


def _ring(bridge: weakref.ref[LoopBridge], taken: threading.Event) -> None:
    try:
        alive = bridge()
        if alive is not None:
            alive._rung()
    finally:
        taken.set()
