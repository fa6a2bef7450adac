"""Take the stop signals and SIGUSR1 for the time of a run, and give them back."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

Handler = Callable[[int | None, FrameType | None], Any]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep

STOP_SIGNALS: tuple[signal.Signals, ...] = (
    signal.SIGINT,
    signal.SIGTERM,
    *([signal.SIGHUP] if sys.platform != "win32" else []),
)

_ALWAYS = (signal.SIGINT, signal.SIGTERM)


def stop_signals() -> tuple[signal.Signals, ...]:
    """Those that stop a runner: not SIGHUP where it is ignored, as under `nohup`."""
    return tuple(
        signum for signum in STOP_SIGNALS if signum in _ALWAYS or signal.getsignal(signum) is not signal.SIG_IGN
    )


def dump_threads_on_signal() -> bool:
    """Have SIGUSR1 write to stderr where every thread is, unless the process has a use of its own for it.

    Whether that is so now. A fork inherits it.
    """
    if sys.platform == "win32" or signal.getsignal(signal.SIGUSR1) is not signal.SIG_DFL:
        return False
    stderr = sys.__stderr__
    if stderr is None or _dumping:
        return False
    try:
        faulthandler.register(signal.SIGUSR1, file=stderr, all_threads=True)
    except (OSError, ValueError, RuntimeError):
        # No stream of the system's.
        return False
    _dumping.append(True)
    return True


def stop_dumping() -> None:
    """Take back `dump_threads_on_signal`, which answered True."""
    if sys.platform != "win32":
        faulthandler.unregister(signal.SIGUSR1)
    _dumping.clear()


_dumping: list[bool] = []
"""Not empty while this process, or the one that it was forked from, dumps: Python does not know of the handler."""


def _outside() -> int:
    """The `stacklevel` at which the caller's warning names the code that started the runner, not the package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    return level


_in_copies: dict[signal.Signals, Any] = {}
"""What a forked copy of this process does on these signals."""


def in_copies(signum: signal.Signals, handler: Any) -> bool:
    """Have every process that a body forks do this on the signal, in place of what this process does.

    A copy that kept our handler would note the signal and live on, and `multiprocessing.Pool` waits for its workers to
    die of SIGTERM. False if it is settled already: the first to ask replaced what the process had of its own.
    """
    if signum in _in_copies:
        return False
    _in_copies[signum] = handler
    return True


def as_before_in_copies(signum: signal.Signals) -> None:
    """Take back what `in_copies` said, which answered True."""
    _in_copies.pop(signum, None)


class _Mask(threading.local):
    """What this thread had blocked before it forked."""

    signals: set[Any] | None = None


_mask = _Mask()


def _hold_signals_back() -> None:
    """A copy may be told to end before it has its own handlers, and Python forgets signals that came around a fork."""
    if _in_copies:
        _mask.signals = signal.pthread_sigmask(signal.SIG_BLOCK, list(_in_copies))


def _let_signals_through() -> None:
    held, _mask.signals = _mask.signals, None
    if held is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _change_in_copy() -> None:
    for signum, handler in _in_copies.items():
        with contextlib.suppress(ValueError, TypeError):
            # Not possible in a subinterpreter; and what is no handler of Python's cannot be put back.
            signal.signal(signum, handler)
    _in_copies.clear()
    _let_signals_through()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold_signals_back, after_in_parent=_let_signals_through, after_in_child=_change_in_copy)


class SignalTakeover:
    """The handlers that a runner replaced. Python allows this in the main thread only; elsewhere it warns."""

    def __init__(self) -> None:
        self._previous: dict[signal.Signals, Any] = {}
        self._settled: set[signal.Signals] = set()
        """For which signals this object says what copies do."""
        self._dumps = False

    def take(self, handler: Handler) -> None:
        """Point the stop signals at `handler`, or warn (`UserWarning`) when this is not the main thread."""
        if threading.current_thread() is not threading.main_thread():
            warnings.warn(
                "this runner was not started in the main thread, so it does not react to SIGINT, SIGTERM and SIGHUP; "
                "call stop_runner_loop() to stop it",
                UserWarning,
                stacklevel=_outside(),
            )
            return
        self._dumps = dump_threads_on_signal() or self._dumps
        for signum in stop_signals():
            previous = signal.signal(signum, handler)
            # Taken twice without a `give_back` in between: the first is what the process had.
            if in_copies(signum, self._previous.setdefault(signum, previous)):
                self._settled.add(signum)

    def give_back(self) -> None:
        """Restore what was there before `take`. Harmless to repeat, or to call from another thread (no effect)."""
        if threading.current_thread() is not threading.main_thread():
            return
        for signum, previous in self._previous.items():
            # None stands for a handler that was not installed from Python; it cannot be put back.
            if previous is not None:
                signal.signal(signum, previous)
        if self._dumps:
            self._dumps = False
            stop_dumping()
        for signum in self._settled:
            as_before_in_copies(signum)
        self._settled.clear()
        self._previous.clear()
