"""Ends what bodies have started by `multiprocessing` when their worker ends, as the exit of an interpreter would."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from pynenc.util import clock

_PATIENCE_SEC = 5.0
"""How long processes that are not daemons, and pools with work, get to end."""

_HURRIED_SEC = 0.2
"""How long they get in a worker that has to end now: less than until its process is killed."""

_LOOK_SEC = 0.02


def end_children(hurried: threading.Event) -> None:
    """End the daemons and the pools of this process. Blocks until its other children have ended, too, but not for long.

    What then still runs of a pool is killed, for a pool is of no use without its owner. A process that is no daemon is
    left alone. Costs nothing where `multiprocessing` was not used.

    Args:
        hurried: set when there is no time left.
    """
    util, process = sys.modules.get("multiprocessing.util"), sys.modules.get("multiprocessing.process")
    if util is None or process is None:
        return
    _forget_inherited(process)
    managers = _pool_managers()
    ends: list[Callable[[], Any]] = [util._exit_function]
    if managers:
        ends.append(sys.modules["concurrent.futures.process"]._python_exit)
    threads = []
    for end in ends:
        # Each of them may block for ever: on a child that does not end, or on a lock that a body left locked.
        thread = threading.Thread(target=_quietly, args=(end,), name="pynenc-children", daemon=True)
        with contextlib.suppress(RuntimeError):
            thread.start()
            threads.append(thread)
    began = clock.monotonic()
    while any(thread.is_alive() for thread in threads):
        if clock.monotonic() - began > (_HURRIED_SEC if hurried.is_set() else _PATIENCE_SEC):
            break
        threads[-1].join(_LOOK_SEC)
        threads = [thread for thread in threads if thread.is_alive()]
    for manager in managers:
        for child in list((getattr(manager, "processes", None) or {}).values()):
            with contextlib.suppress(Exception):
                child.kill()


def _forget_inherited(process: Any) -> None:
    """The children of the process that this one was forked from are not ours to end."""
    children: set[Any] = process._children
    for child in list(children):
        if getattr(child, "_parent_pid", None) != os.getpid():
            children.discard(child)


def _pool_managers() -> list[Any]:
    """The threads that manage a `ProcessPoolExecutor` each."""
    futures = sys.modules.get("concurrent.futures.process")
    wakeups = getattr(futures, "_threads_wakeups", {})
    for thread in list(wakeups):
        if not thread.is_alive():
            # It ran in the process that this one was forked from, or has ended.
            wakeups.pop(thread, None)
    return list(wakeups)


def _quietly(end: Callable[[], Any]) -> None:
    with contextlib.suppress(BaseException):
        end()
