"""Which tasks a runner was offered that it does not know, and when that was logged last."""

from __future__ import annotations

import threading
from typing import NamedTuple

from pynenc.util import clock

MAX_NAMES = 1000
"""The maximum number of remembered names; the store supplies them, so their number is unbounded."""

MAX_LINES_PER_MINUTE = 50
"""How many lines about unknown tasks are logged in a minute, however many names there are."""

_MINUTE_SEC = 60.0


class _Seen(NamedTuple):
    logged_at: float
    unlogged: int
    """How many refusals were not logged since."""


class UnknownTasks:
    """Decides which refusals are logged: one for each name and minute, with a limit for all. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}
        self._minute = -1
        self._lines = 0

    def refused(self, name: str) -> str | None:
        """Return the addition to the log line about a refusal of this name; None for no line."""
        now = clock.monotonic()
        with self._lock:
            seen = self._seen.get(name)
            if seen is not None and now - seen.logged_at < _MINUTE_SEC:
                self._seen[name] = seen._replace(unlogged=seen.unlogged + 1)
                return None
            if int(now // _MINUTE_SEC) != self._minute:
                self._minute, self._lines = int(now // _MINUTE_SEC), 0
            self._lines += 1
            if self._lines > MAX_LINES_PER_MINUTE:
                return None
            self._seen.pop(name, None)
            if len(self._seen) >= MAX_NAMES:
                # The name with the oldest line.
                del self._seen[next(iter(self._seen))]
            self._seen[name] = _Seen(now, 0)
            repeats = f" It was refused {seen.unlogged} more times since the last such line." if seen else ""
            if self._lines == MAX_LINES_PER_MINUTE:
                repeats += " Further unknown tasks are not logged in this minute."
            return repeats
