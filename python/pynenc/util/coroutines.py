"""Coroutines in code that is not asynchronous. asyncio is imported at first use: it takes long."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, or None."""
    import asyncio

    return asyncio._get_running_loop()


def complete(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end: in this thread, or on a new thread if an event loop runs in this one."""
    import asyncio

    # Not with an exception, which would become the context of the coroutine's exception.
    if running_loop() is None:
        return asyncio.run(coroutine)
    outcome: list[tuple[Any, BaseException | None]] = []

    def work() -> None:
        try:
            outcome.append((asyncio.run(coroutine), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,))
    thread.start()
    thread.join()
    value, error = outcome[0]
    if error is not None:
        raise error
    return value
