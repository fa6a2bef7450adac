"""Cancellations of what runs here: the thread that hears of them, and has the runner act on each."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from pynenc.exceptions import RunnerError
from pynenc.runner._workers.platform import SHORT_OF_SEC, is_shortage

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc.runner.base_runner import BaseRunner


def serve_cancels(runner: BaseRunner, engine: _core.Engine) -> None:
    """On a thread of its own, asleep until something that runs here is cancelled; until the engine is closed."""
    with contextlib.suppress(RunnerError):
        # The engine is closed.
        while ids := engine.next_cancels():
            while (ids := [one for one in ids if not _is_dealt_with(runner, one)]) and runner._engine is engine:
                time.sleep(SHORT_OF_SEC)


def _is_dealt_with(runner: BaseRunner, invocation_id: str) -> bool:
    try:
        runner.on_cancel(invocation_id)
    except Exception as error:
        if is_shortage(error):
            runner.logger.error(
                "invocation %s is not cancelled yet, trying again in %g s: %s", invocation_id, SHORT_OF_SEC, error
            )
            return False
        runner.logger.exception("invocation %s could not be cancelled", invocation_id)
    return True
