"""Take SIGINT and SIGTERM for the time of a run, and give them back."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

Handler = Callable[[int | None, FrameType | None], Any]

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _outside() -> int:
    """The `stacklevel` at which the caller's warning names the code that started the runner, not the package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    return level


class SignalTakeover:
    """The handlers that a runner replaced. Python allows this in the main thread only; elsewhere it warns."""

    def __init__(self) -> None:
        self._previous: dict[signal.Signals, Any] = {}

    def take(self, handler: Handler) -> None:
        """Point the stop signals at `handler`, or warn (`UserWarning`) when this is not the main thread."""
        if threading.current_thread() is not threading.main_thread():
            warnings.warn(
                "this runner was not started in the main thread, so it does not react to SIGINT and SIGTERM; "
                "call stop_runner_loop() to stop it",
                UserWarning,
                stacklevel=_outside(),
            )
            return
        for signum in STOP_SIGNALS:
            previous = signal.signal(signum, handler)
            # Taken twice without a `give_back` in between: the first is what the process had.
            self._previous.setdefault(signum, previous)

    def give_back(self) -> None:
        """Restore what was there before `take`. Harmless to repeat, or to call from another thread (no effect)."""
        if threading.current_thread() is not threading.main_thread():
            return
        for signum, previous in self._previous.items():
            # None stands for a handler that was not installed from Python; it cannot be put back.
            if previous is not None:
                signal.signal(signum, previous)
        self._previous.clear()
