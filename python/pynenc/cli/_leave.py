"""The end of a program that has run a runner: what bodies have left behind gets the rest of the grace, then it ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, cast

from pynenc._kernel.sessions import session_of
from pynenc.runner._session.signals import STOP_SIGNALS
from pynenc.runner._worker_process.end import end_past_threads
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.runner._session.session import RunnerSession
    from pynenc.runner.base_runner import BaseRunner

LEFTOVER_GRACE_SEC = 0.3
"""How long bodies that were handed back get to end: the program ends within a second of the grace period."""

_LOOK_SEC = 0.05


def leave_unless_quiet(app: Pynenc, runner: BaseRunner) -> None:
    """End the process if bodies, or threads that they have started, would keep it; return if nothing does.

    The interpreter waits for every thread that is no daemon, and for the workers of every `ThreadPoolExecutor`, which
    a body that still runs may keep busy for ever. Threads that bodies have started get what is left of
    `stop_grace_sec`. A second signal ends that wait.
    """
    session = cast("RunnerSession", session_of(runner))
    hurried = threading.Event()
    if session.stop_signals > 1:
        hurried.set()
    for signum in STOP_SIGNALS:
        signal.signal(signum, lambda signum, frame: hurried.set())
    left = _wait_for(_others(), session, hurried)
    for signum in STOP_SIGNALS:
        # It ends already.
        signal.signal(signum, signal.SIG_IGN)
    if not left:
        return
    # Of a body that goes on, the log has said that it was handed back; its thread is the runner's.
    theirs = sorted(thread.name for thread in left if not _is_ours(thread))
    if theirs:
        app.logger.warning("ending, although bodies have left threads behind: %s", ", ".join(theirs[:20]))
    end_past_threads(app)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def _others() -> list[threading.Thread]:
    main = threading.main_thread()
    return [
        thread for thread in threading.enumerate() if thread is not main and (not thread.daemon or _is_ours(thread))
    ]


def _is_ours(thread: threading.Thread) -> bool:
    """Whether bodies run on it."""
    return thread.name.startswith("pynenc-slot-")


def _wait_for(
    threads: list[threading.Thread], session: RunnerSession, hurried: threading.Event
) -> list[threading.Thread]:
    """Which of them still run when their time is over."""
    soon = clock.monotonic() + LEFTOVER_GRACE_SEC
    later = max(soon, session.stop_began + session.timing("stop_grace_sec"))
    while left := [thread for thread in threads if thread.is_alive()]:
        patient = not hurried.is_set() and not all(map(_is_ours, left))
        rest = (later if patient else soon) - clock.monotonic()
        if rest <= 0:
            break
        left[0].join(min(rest, _LOOK_SEC))
    return left
