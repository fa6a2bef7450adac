"""Recovery in the minutes that the two cron settings name, should leases be so long that the engine looks less often.

The settings are upper bounds of the time between two looks, not schedules: what is lost is found by its lease.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pynenc._execute.outcome import log_burial
from pynenc._kernel.runtime import runtime_of
from pynenc.runner._session.engine import timing_of
from pynenc.util.cron import CronSchedule

if TYPE_CHECKING:
    from collections.abc import Callable

    from pynenc.runner.base_runner import BaseRunner

_SHORTEST_PERIOD_SEC = 60.0
"""No cron expression asks for more."""

_MOST_MINUTES = 24 * 60
"""How far back minutes count that a loop has slept through."""


class RecoveryMinutes:
    """Recovers what dead runners left, in the minutes of the settings. The loop of a runner calls it once a second."""

    def __init__(self, runner: BaseRunner, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._runner = runner
        self._now = now
        self._done = _minute(now())

    def tick(self) -> None:
        """Look once if a named minute has begun since the last time, and the engine alone looks less often than that.

        Minutes are those of UTC. Raises what the store raises, and tries again then at the next call.
        """
        now = _minute(self._now())
        # The engine looks every half lease.
        if now == self._done or timing_of(self._runner, "lease_sec") / 2 <= _SHORTEST_PERIOD_SEC:
            self._done = now
            return
        conf = self._runner.app.conf
        schedules = [
            CronSchedule.parse(expression)
            for expression in {conf.recover_pending_invocations_cron, conf.recover_running_invocations_cron}
        ]
        since = range(max(self._done, now - _MOST_MINUTES) + 1, now + 1)
        moments = [datetime.fromtimestamp(60 * minute, UTC) for minute in since]
        if any(schedule.matches(moment) for moment in moments for schedule in schedules):
            self._recover(conf.max_recoveries)
        self._done = now

    def _recover(self, max_recoveries: int) -> None:
        runner = self._runner
        while True:
            requeued, buried = runtime_of(runner.app).store.recover(max_recoveries)
            for invocation_id in requeued:
                runner.logger.warning("invocation %s is queued again: its runner is gone", invocation_id)
            for invocation_id in buried:
                log_burial(runner, invocation_id)
            if not (requeued or buried):
                return


def _minute(moment: datetime) -> int:
    return int(moment.timestamp() // 60)
