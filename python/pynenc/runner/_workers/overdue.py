"""Kills worker processes whose bodies do not stop at their time limit, or that decode arguments for too long."""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from pynenc import _core
from pynenc._execute.execution import given_up
from pynenc.runner._workers.outage import StoreOutage
from pynenc.runner._workers.worker_handle import Limited
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc.runner._workers.pool import ProcessPoolRunner
    from pynenc.runner._workers.worker_handle import Member

_AGAIN_SEC = 0.5
"""Pause before an outcome that could not be recorded is recorded again."""


class Overdue:
    """Ends what is overdue in the worker processes of a runner. For the thread in `run()`."""

    def __init__(self, runner: ProcessPoolRunner) -> None:
        self._runner = runner
        self._outage = StoreOutage(
            runner.logger,
            "the end of bodies that do not stop cannot be recorded, so their worker processes live on until it can",
            "the end of bodies that do not stop can be recorded again",
        )

    def end(self) -> None:
        """Kill the worker processes that are due. A body that did not stop fails, and is not run again."""
        now = clock.monotonic()
        for member in list(self._runner._members.values()):
            for invocation_id, limited in list(member.limited.items()):
                if limited.kill_at <= now:
                    self._end_body(member, invocation_id, limited)
            self._end_decoding(member, now)

    def _end_body(self, member: Member, invocation_id: str, limited: Limited) -> None:
        runner, claim, cancelled_after = self._runner, limited.claim, limited.cancelled_after
        outcome = limited.outcome
        try:
            if outcome is None:
                task = runner.app.get_task(claim.task_id)
                # Says so in the log, so not at each attempt.
                outcome = given_up(runner.app, task, runner, claim, cancelled_after, "its process was killed")
            settled = runner.app._runtime.store.settle(invocation_id, claim.fence, *outcome)
        except Exception as error:
            # Killed without that, it would run again.
            self._outage.failed(f"invocation {invocation_id}: {type(error).__name__}: {error}")
            member.limited[invocation_id] = Limited(claim, clock.monotonic() + _AGAIN_SEC, cancelled_after, outcome)
            return
        self._outage.over()
        del member.limited[invocation_id]
        if settled != _core.STALE:
            when = "at its timeout" if cancelled_after is None else "when it was cancelled"
            runner._kill(member, f"because invocation {invocation_id} did not stop {when}")

    def _end_decoding(self, member: Member, now: float) -> None:
        """Kill a worker that holds the GIL while it decodes arguments, as if it had died of them."""
        late = [invocation_id for invocation_id, kill_at in member.decoding.items() if kill_at <= now]
        if late and member.pid:
            limit = self._runner.app.conf.decode_limit_sec
            member.doomed = f"killed, because the arguments of invocation {late[0]} took longer to decode than "
            member.doomed += f"decode_limit_sec ({limit:g} s) or the timeout of its task"
            member.decoding.clear()
            with contextlib.suppress(ProcessLookupError):
                os.kill(member.pid, signal.SIGKILL)
