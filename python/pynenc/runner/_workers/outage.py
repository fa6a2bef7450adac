"""Logs that something of a runner fails for its store: once, once a minute, and when it is over."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc.runner._session.identity import RunnerLog

_AGAIN_SEC = 60.0


class StoreOutage:
    """Whether the last attempt failed. For the thread in `run()` only."""

    def __init__(self, logger: RunnerLog, failing: str, works: str) -> None:
        """
        Args:
            failing: what is logged with the reason when an attempt fails.
            works: what is logged when an attempt succeeds after that.
        """
        self._logger = logger
        self._failing = failing
        self._works = works
        self._said = -math.inf

    def failed(self, why: str) -> None:
        """An attempt has failed."""
        now = clock.monotonic()
        if now - self._said >= _AGAIN_SEC:
            self._said = now
            self._logger.error("%s: %s", self._failing, why)

    def over(self) -> None:
        """An attempt has succeeded."""
        if self._said > -math.inf:
            self._said = -math.inf
            self._logger.warning(self._works)
