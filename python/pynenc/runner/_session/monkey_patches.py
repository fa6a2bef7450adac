"""Find out whether gevent or eventlet has replaced what runners stand on: threads, sockets, `os.fork`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from pynenc.exceptions import RunnerError

_GEVENT = ("threading", "_thread", "socket", "select", "selectors", "os", "subprocess", "signal")
_EVENTLET = ("thread", "socket", "select", "os")


def refuse_patched_modules(who: str) -> None:
    """Raise for a process in which a runner would hang without a word.

    A runner waits in native code with the GIL released. A patched thread is a greenlet of the one real thread, so that
    wait stops all of them, the handlers of signals included.

    Raises:
        RunnerError: names the modules that are patched, who has patched them, and what to do.
    """
    for package, module, function, names in (
        ("gevent", "gevent.monkey", "is_module_patched", _GEVENT),
        ("eventlet", "eventlet.patcher", "is_monkey_patched", _EVENTLET),
    ):
        is_patched: Callable[[str], Any] | None = getattr(sys.modules.get(module), function, None)
        patched = [name for name in names if is_patched is not None and is_patched(name)]
        if patched:
            raise RunnerError(
                f"{who} cannot run in a process in which {package} has patched {', '.join(patched)}: its threads would "
                "stop all others. Do not patch in what the app's modules import: patch in the main module of the "
                f"program that serves requests with {package}, and start the runner without it. For many bodies that "
                "wait, write coroutines and use AsyncRunner."
            )
