"""Handlers of signals that a body has installed, in a process whose main thread runs it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

IsOwn = Callable[[Any], bool]
"""Whether a handler belongs to the runner."""

_TRIES = 3


def has_handlers(is_own: IsOwn) -> bool:
    """Whether Python code runs on a signal, apart from handlers of the runner."""
    return any(True for _ in _handled(is_own))


def remove_handlers(is_own: IsOwn) -> None:
    """Disarm the timers of this process, and replace the handlers of the body: nothing of them runs after this.

    For the main thread. A handler may raise until then, also in here.
    """
    for _ in range(_TRIES):
        try:
            if sys.platform != "win32":
                for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
                    signal.setitimer(timer, 0)
            for signum in list(_handled(is_own)):
                signal.signal(signum, ignore)
            return
        except BaseException:
            # It came just before its timer was disarmed.
            continue


def ignore(signum: int, frame: object) -> None:
    """Do nothing. Unlike `SIG_IGN` it is not inherited by the programs that a body starts."""


def _handled(is_own: IsOwn) -> Iterator[signal.Signals | int]:
    for signum in signal.valid_signals():
        handler = signal.getsignal(signum)
        if callable(handler) and handler is not ignore and not is_own(handler):
            yield signum
