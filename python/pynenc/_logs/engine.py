"""Pass the log lines of the Rust engine to Python's logging, on a thread of Python."""

from __future__ import annotations

import logging

from pynenc import _core
from pynenc.util import clock

_PERIOD_SEC = 1.0


class CoreLogs:
    """Drains the engine's log into records of one logger, at most once a second unless forced."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._next = 0.0

    def drain(self, force: bool = False) -> bool:
        """Emit the waiting lines; return whether the log was read.

        Cheap when called too often. Never raises, because a log line must not stop a runner.
        """
        now = clock.monotonic()
        if now < self._next and not force:
            return False
        self._next = now + _PERIOD_SEC
        for level, suffix, message in _core.drain_logs():
            if self._logger.isEnabledFor(level):
                # A record with the name and no logger of that name, because loggers live forever.
                name = f"{self._logger.name}.{suffix or 'core'}"
                self._logger.handle(self._logger.makeRecord(name, level, "", 0, "%s", (message,), None))
        return True
