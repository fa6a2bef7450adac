"""Records of pynenc's elected service. There is no election here: every runner recovers, and the store sees to it
that no two recover the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class AtomicServiceRun:
    """One run of the service, as data. Nothing in this package makes one."""

    runner_id: str
    start_time: datetime
    end_time: datetime | None = None

    @property
    def duration_sec(self) -> float | None:
        """Seconds from start to end; None while it has no end."""
        return None if self.end_time is None else (self.end_time - self.start_time).total_seconds()
