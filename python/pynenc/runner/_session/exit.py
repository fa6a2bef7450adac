"""Stop the runners of this process before the interpreter goes away.

A thread that returns from Rust while the interpreter is finalized is torn down by force, in the middle of a frame that
cannot be. So the runners that still run when the program ends are stopped while Python still works.
"""

from __future__ import annotations

import atexit
import logging
import os
import weakref
from typing import TYPE_CHECKING

from pynenc._execute import copies

if TYPE_CHECKING:
    from pynenc.runner._session.session import RunnerSession

_PATIENCE_SEC = 1.5

_running: weakref.WeakSet[RunnerSession] = weakref.WeakSet()
_registered_pid: int | None = None


def watch(session: RunnerSession) -> None:
    """Stop this runner at the end of the program, from now on."""
    copies.watch(session)
    global _registered_pid
    if _registered_pid != os.getpid():
        # What a forked child inherits runs in its parent.
        _running.clear()
        atexit.unregister(_stop_all)
        atexit.register(_stop_all)
        _registered_pid = os.getpid()
    _running.add(session)


def forget(session: RunnerSession) -> None:
    """This runner has stopped."""
    _running.discard(session)
    copies.forget(session)


def _stop_all() -> None:
    if _registered_pid != os.getpid():
        return
    for session in list(_running):
        try:
            try:
                session.runner.stop_runner_loop()
            finally:
                session.abandon(_PATIENCE_SEC)
        except Exception:
            name = type(session.runner).__name__
            logging.getLogger("pynenc").exception("could not stop %s at the end of the program", name)
