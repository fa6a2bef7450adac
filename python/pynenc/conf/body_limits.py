"""The options `soft_timeout` and `timeout` of a task, as limits of its bodies."""

from __future__ import annotations

import math
from typing import NamedTuple


class Limits(NamedTuple):
    """Seconds from the start of the body; infinity is no limit."""

    soft: float
    hard: float

    def describe(self, stage: str) -> str:
        """Return the description of a body that was interrupted at this stage."""
        name, seconds = ("soft_timeout", self.soft) if stage == "soft" else ("timeout", self.hard)
        return f"ran longer than its {name} of {seconds:g} s"


def limits_of(soft_timeout: float, timeout: float) -> Limits | None:
    """Return the limits that the two options mean, 0 being no limit; None without any limit."""
    if not soft_timeout and not timeout:
        return None
    return Limits(soft_timeout or math.inf, timeout or math.inf)
