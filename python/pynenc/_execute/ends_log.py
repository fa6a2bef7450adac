"""One line of the log for each finished invocation."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from pynenc._execute.outcome import FINAL_NAMES, Outcome
from pynenc._logs.app_logger import write_info

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc.app import Pynenc


class EndsLog:
    """Logs task, id, outcome, attempt, wait and duration of each invocation that ends here, at level INFO.

    A formatter adds task and id, as to every line of the context of a body; JSON has the rest as fields too.
    """

    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def write(self, claim: _core.Claim, outcome: Outcome, started: float | None = None) -> None:
        """Log the end of the invocation whose context this is.

        Args:
            started: when this attempt began, in seconds of `time.time()`; None for a body that was given up.
        """
        name = FINAL_NAMES.get(outcome[0])
        if name is None:
            return
        attempt, now = claim.retries + 1, time.time()
        if started is None:
            text = f"finished: {name}, attempt {attempt}, given up"
            write_info(self._logger, now, text, lambda: {"outcome": name, "attempt": attempt})
            return
        took = now - started
        # From the call on, so that a delay and earlier attempts are in it.
        waited = max(0.0, started - created_at(claim.invocation_id))
        write_info(
            self._logger,
            now,
            f"finished: {name}, attempt {attempt}, waited {waited:.3f} s, took {took:.3f} s",
            lambda: {
                "outcome": name,
                "attempt": attempt,
                "waited_sec": round(waited, 6),
                "took_sec": round(took, 6),
            },
        )


def ends_log(app: Pynenc) -> EndsLog | None:
    """What logs the ends of invocations; None if the settings leave such lines out."""
    logger = app.logger
    return EndsLog(logger) if app.conf.log_invocations and logger.isEnabledFor(logging.INFO) else None


def created_at(invocation_id: str) -> float:
    """When an id was made, in seconds of the clock of the process that made it: ids begin with the time."""
    return int(invocation_id[:8] + invocation_id[9:13], 16) / 1000
