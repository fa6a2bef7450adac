"""The thread that receives the cancellations of what runs here, and has the runner act on each."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from pynenc.exceptions import RunnerError
from pynenc.runner._workers.platform import SHORT_OF_SEC, is_shortage

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc.runner._session.session import RunnerSession


def serve_cancels(session: RunnerSession, engine: _core.Engine) -> None:
    """On a thread of its own, asleep until something that runs here is cancelled; until the engine is closed."""
    with contextlib.suppress(RunnerError):
        # The engine is closed.
        while ids := engine.next_cancels():
            while (ids := [one for one in ids if not _is_done(session, one)]) and session.engine is engine:
                time.sleep(SHORT_OF_SEC)


def _is_done(session: RunnerSession, invocation_id: str) -> bool:
    try:
        session.runner.on_cancel(invocation_id)
    except Exception as error:
        if is_shortage(error):
            session.logger.error(
                "invocation %s is not cancelled yet, trying again in %g s: %s", invocation_id, SHORT_OF_SEC, error
            )
            return False
        session.logger.exception("invocation %s could not be cancelled", invocation_id)
    return True
