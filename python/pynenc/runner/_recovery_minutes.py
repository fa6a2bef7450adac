"""Recovery at the minutes that the two cron settings name, should leases be so long that the engine looks less often."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pynenc.util.cron import CronSchedule

if TYPE_CHECKING:
    from pynenc.app import Pynenc

_SHORTEST_PERIOD_SEC = 60.0
"""No cron expression asks for more."""


class RecoveryMinutes:
    """Asked about once a second by the loop of a runner; looks for what dead runners left when a minute says so."""

    def __init__(self, app: Pynenc) -> None:
        self._app = app
        self._minute = int(time.time() // 60)

    def tick(self) -> None:
        """Once per minute, if the engine alone looks less often than that. Raises what the store raises."""
        minute = int(time.time() // 60)
        # The engine looks every half lease.
        if minute == self._minute or self._app.conf.lease_sec / 2 <= _SHORTEST_PERIOD_SEC:
            return
        self._minute = minute
        conf = self._app.conf
        now = datetime.fromtimestamp(minute * 60, UTC)
        expressions = {conf.recover_pending_invocations_cron, conf.recover_running_invocations_cron}
        if any(CronSchedule.parse(expression).matches(now) for expression in expressions):
            self._app._store.recover(conf.max_recoveries)
