"""Says that worker processes cannot reach their store: once, once a minute, and when it is over."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pynenc.runner._identity import RunnerLog

_AGAIN_SEC = 60.0


class StoreOutage:
    """Whether the last worker process that was started could open its store. For the thread in `run()` only."""

    def __init__(self, logger: RunnerLog) -> None:
        self._logger = logger
        self._said = -math.inf

    def failed(self, why: str) -> None:
        """A worker process has ended because it could not."""
        now = time.monotonic()
        if now - self._said >= _AGAIN_SEC:
            self._said = now
            self._logger.error("worker processes cannot open the store, so new ones are tried until they can: %s", why)

    def over(self) -> None:
        """A worker process is ready."""
        if self._said > -math.inf:
            self._said = -math.inf
            self._logger.warning("worker processes can open the store again")
