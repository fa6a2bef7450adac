"""The end of a worker process: what the end of an interpreter does for threads, exit functions and files.

It is not the end of the interpreter itself. That would tear down threads which are inside of Rust or C++, and would
write to pages that all workers share.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import weakref
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NoReturn

from pynenc._kernel.runtime import runtime_of
from pynenc._logs.later import flush_all
from pynenc.runner._session.body_thread import BodyThread
from pynenc.runner._worker_process.children import end_children
from pynenc.util.open_files import flush_open_files

if TYPE_CHECKING:
    from pynenc._kernel.shapes import AppShape
    from pynenc.runner._session.identity import RunnerLog

_HURRIED_SEC = 0.2
"""How long a worker that has to end now gets: less than until its runner kills it."""

_PROCESS_POOLS = "concurrent.futures.process"
"""Its threads and its exit function are the affair of `end_children`, which does not wait for them for ever."""


def forget_inherited_finalizers() -> None:
    """Leave the objects of the zygote to the zygote.

    The folder of a `TemporaryDirectory` that a module made at its import must not go with the first worker that ends.
    """
    registry: Any = getattr(weakref.finalize, "_registry", {})
    for entry in registry.values():
        entry.atexit = False


def end_in_order(
    app: AppShape,
    logger: RunnerLog,
    own_threads: Collection[threading.Thread],
    hurried: threading.Event,
    grace_sec: float,
) -> None:
    """Wait for threads that are no daemons, call exit functions, close the store, write out files.

    When nothing is left to settle: in the main thread, or beside a body that runs there and was handed back. Ends the
    process with 0 if that takes longer than `grace_sec`.

    Args:
        own_threads: threads of the runner. Bodies that were given up may still run on them.
        hurried: set when this process has to end now.
    """
    over = threading.Event()
    watchdog = threading.Thread(
        target=_end_in_time, args=(logger, own_threads, hurried, grace_sec, over), name="pynenc-end", daemon=True
    )
    with contextlib.suppress(RuntimeError):
        watchdog.start()
    _call_thread_exits(own_threads)
    for thread in _waited_for(own_threads):
        thread.join()
    end_children(hurried)
    _quietly(atexit._run_exitfuncs)
    _quietly(runtime_of(app).store.close)
    flush_open_files()
    over.set()


def end_past_threads(app: AppShape) -> None:
    """Call exit functions, close the store, write out files, in spite of threads that go on. For the main thread.

    Ends the process with 0 if an exit function takes longer than a moment.
    """
    over = threading.Event()
    watchdog = threading.Thread(target=_end_soon, args=(over,), name="pynenc-end", daemon=True)
    with contextlib.suppress(RuntimeError):
        watchdog.start()
    _quietly(atexit._run_exitfuncs)
    _quietly(runtime_of(app).store.close)
    flush_open_files()
    over.set()


def _end_soon(over: threading.Event) -> None:
    if not over.wait(_HURRIED_SEC):
        _flush_and_end()


def _flush_and_end() -> NoReturn:
    flush_open_files()
    flush_all()
    for stream in (sys.stdout, sys.stderr):
        _quietly(stream.flush)
    os._exit(0)


def _end_in_time(
    logger: RunnerLog,
    own_threads: Collection[threading.Thread],
    hurried: threading.Event,
    grace_sec: float,
    over: threading.Event,
) -> None:
    hurried.wait(grace_sec)
    if over.wait(_HURRIED_SEC):
        return
    names = [thread.name for thread in _waited_for(own_threads)]
    what = f"threads that bodies have left ({', '.join(names)})" if names else "exit functions"
    with contextlib.suppress(Exception):
        logger.warning("this worker process ends without waiting any longer for %s", what)
    _flush_and_end()


def _waited_for(own_threads: Collection[threading.Thread]) -> list[threading.Thread]:
    return [
        thread
        for thread in threading.enumerate()
        if not thread.daemon
        and thread is not threading.main_thread()
        and not isinstance(thread, BodyThread)
        and type(thread).__module__ != _PROCESS_POOLS
        and thread not in own_threads
    ]


def _call_thread_exits(own_threads: Collection[threading.Thread]) -> None:
    """What `threading` calls before it waits for threads: executors finish what they have begun."""
    executors: Any = sys.modules.get("concurrent.futures.thread")
    if executors is not None:
        for thread in own_threads:
            executors._threads_queues.pop(thread, None)
    for call in reversed(list(getattr(threading, "_threading_atexits", ()))):
        function = getattr(call, "func", call)
        if getattr(function, "__module__", "") != _PROCESS_POOLS:
            _quietly(call)


def _quietly(call: Callable[[], object]) -> None:
    with contextlib.suppress(BaseException):
        call()
