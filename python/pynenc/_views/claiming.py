"""Claims of a user's runner that wait for work instead of polling for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pynenc._execute.outcome import runner_of
from pynenc._kernel.sessions import session_of
from pynenc._views.view import claim_some
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._kernel.shapes import AppShape

_SIGN_OF_LIFE_SEC = 0.5
"""How often a loop that waits for work gives a sign of life, in seconds."""

_POLL_SEC = 0.05
"""How often a process without a running runner polls for work, because it receives no notification."""


def claim_or_wait(app: AppShape, limit: int, wait_sec: float, runner_ctx: Any = None) -> list[_core.Claim]:
    """Claim due invocations; if none is due, wait until one is.

    Args:
        app: the app.
        limit: the most invocations to claim.
        wait_sec: seconds to block if nothing is due. The engine of the running runner is notified of new work; without
            a running runner the store is polled every 50 ms.
        runner_ctx: the owner of the claims, in a process without a running runner.
    Returns:
        The claims; none if the time is over, or at once when the runner stops.
    Raises:
        ValueError: a negative wait.
        StateBackendError: the store cannot be read.
    """
    if not wait_sec >= 0:
        raise ValueError(f"wait must be a number of seconds from 0, got {wait_sec!r}")
    deadline = clock.monotonic() + wait_sec
    may_have_work = True
    while True:
        session = session_of(runner_of(app))
        if session.liveness is not None:
            session.liveness.beat()
        claims = claim_some(app, limit, runner_ctx=runner_ctx) if limit > 0 and may_have_work else []
        left = deadline - clock.monotonic()
        engine = session.engine
        if claims or limit <= 0 or left <= 0 or (engine is not None and engine.stopping):
            return claims
        if engine is None:
            time.sleep(min(left, _POLL_SEC))
        else:
            may_have_work = engine.wait_for_work(min(left, _SIGN_OF_LIFE_SEC))
