"""Waits of clients in a process that gevent or eventlet has patched: other greenlets run meanwhile."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from pynenc.util import clock

T = TypeVar("T")

_SLICE_SEC = 1.0
"""The maximum duration of one wait on a thread, in seconds. A greenlet that is killed leaves its thread waiting for
that long.
"""

_MOST_THREADS = 1000
"""For waits at the same time. More of them take turns."""

_pools: dict[int, Any] = {}


def patched_by() -> str:
    """`gevent` or `eventlet`, if it has replaced threads in this process; else an empty text."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("threading"):
        return "gevent"
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        return "eventlet"
    return ""


def wait_beside_greenlets(
    library: str, wait: Callable[[float], list[T]], timeout: float | None, between: Callable[[], object]
) -> list[T]:
    """Call `wait` on a native thread, again and again, until it returns something or the time is over.

    Blocks the calling greenlet alone.

    Args:
        library: what `patched_by` returned.
        wait: waits for so many seconds at most; may still run when the calling greenlet has been killed.
        timeout: seconds; None waits without limit.
        between: called about once a second while nothing has come.
    """
    execute = _executor(library)
    deadline = math.inf if timeout is None else clock.monotonic() + timeout
    while True:
        left = max(0.0, deadline - clock.monotonic())
        news: list[T] = execute(wait, min(left, _SLICE_SEC))
        if news or left <= _SLICE_SEC:
            return news
        between()


def _executor(library: str) -> Callable[..., Any]:
    if library == "eventlet":
        tpool: Any = importlib.import_module("eventlet.tpool")
        execute: Callable[..., Any] = tpool.execute
        return execute
    gevent: Any = importlib.import_module("gevent")
    hub = gevent.get_hub()
    pool = _pools.get(id(hub))
    if pool is None or pool.hub is not hub:
        pool = _pools[id(hub)] = importlib.import_module("gevent.threadpool").ThreadPool(_MOST_THREADS, hub=hub)
    return lambda call, *args: pool.apply(call, args)
