"""Kills worker processes whose bodies do not stop at their time limit, or that decode arguments for too long."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from pynenc._engine.outcomes import STALE
from pynenc._execute.endings import given_up
from pynenc._execute.execution import Execution
from pynenc.runner._workers.outage import StoreOutage
from pynenc.runner._workers.worker_handle import Limited
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc.runner._workers.pool import WorkerPool
    from pynenc.runner._workers.worker_handle import WorkerHandle

_AGAIN_SEC = 0.5
"""Pause before an outcome that could not be recorded is recorded again."""


class Overdue:
    """Ends what is overdue in the worker processes of a runner. For the thread in `run()`."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._outage = StoreOutage(
            pool.session.logger,
            "the end of bodies that do not stop cannot be recorded, so their worker processes live on until it can",
            "the end of bodies that do not stop can be recorded again",
        )

    def end(self) -> None:
        """Kill the worker processes that are due. A body that did not stop fails, and is not run again."""
        now = clock.monotonic()
        for worker in list(self._pool.workers.values()):
            for invocation_id, limited in list(worker.limited.items()):
                if limited.kill_at <= now:
                    self._end_body(worker, invocation_id, limited)
            self._end_decoding(worker, now)

    def _end_body(self, worker: WorkerHandle, invocation_id: str, limited: Limited) -> None:
        pool, claim, cancelled_after = self._pool, limited.claim, limited.cancelled_after
        outcome = limited.outcome
        try:
            if outcome is None:
                execution = Execution(pool.runtime, claim, pool.session.hooks, pool.app.get_task(claim.task_id))
                # Says so in the log, so not at each attempt.
                outcome = given_up(execution, cancelled_after, "its process was killed")
            settled = pool.runtime.store.settle(invocation_id, claim.fence, *outcome)
        except Exception as error:
            # Killed without that, it would run again.
            self._outage.failed(f"invocation {invocation_id}: {type(error).__name__}: {error}")
            worker.limited[invocation_id] = Limited(claim, clock.monotonic() + _AGAIN_SEC, cancelled_after, outcome)
            return
        self._outage.over()
        del worker.limited[invocation_id]
        if settled != STALE:
            when = "at its timeout" if cancelled_after is None else "when it was cancelled"
            pool.kill(worker, f"because invocation {invocation_id} did not stop {when}")

    def _end_decoding(self, worker: WorkerHandle, now: float) -> None:
        """Kill a worker that holds the GIL while it decodes arguments, as if it had died of them."""
        late = [invocation_id for invocation_id, kill_at in worker.decoding.items() if kill_at <= now]
        if late and worker.pid:
            limit = self._pool.app.conf.decode_limit_sec
            worker.doomed = f"killed, because the arguments of invocation {late[0]} took longer to decode than "
            worker.doomed += f"decode_limit_sec ({limit:g} s) or the timeout of its task"
            worker.decoding.clear()
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
