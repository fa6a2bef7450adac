"""One line of the log for each finished invocation."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from pynenc._execute.outcome import FINAL_NAMES, Outcome
from pynenc._logs.app_logger import AppHandler, JsonFormatter, TextFormatter
from pynenc._logs.ends import handle_end

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._kernel.shapes import AppShape


class EndsLog:
    """Logs task, id, outcome, attempt, wait and duration of each invocation that ends here, at level INFO.

    A formatter adds task and id, as to every line of the context of a body; JSON has the rest as fields too.

    The line is written within 0.1 s, together with others, and before any line that is logged after it. If another
    handler or a filter of records is there, a record is made and handled at once.
    """

    __slots__ = ("_alone", "_formatter", "_handler", "_later", "_logger", "_runner")

    def __init__(self, logger: logging.Logger, runner: Any) -> None:
        """Log to a logger.

        Args:
            logger: the logger of the app.
            runner: the runner whose invocations end.
        """
        self._logger, self._runner = logger, runner
        found = [handler for handler in logger.handlers if type(handler) is AppHandler]
        self._handler = found[0] if found else None
        self._alone: list[logging.Handler] = [*found[:1]]
        self._formatter = None if self._handler is None else self._handler.formatter
        known = type(self._formatter) in (TextFormatter, JsonFormatter)
        self._later = self._handler.ends.add if self._handler is not None and known else None

    def write(self, claim: _core.Claim, outcome: Outcome, started: float | None = None) -> None:
        """Log the end of an invocation.

        Args:
            claim: the claim of the attempt.
            outcome: how it ended; only a final outcome is logged.
            started: when this attempt began, in seconds of `time.time()`; None for a body that was given up.
        """
        name = FINAL_NAMES.get(outcome[0])
        logger = self._logger
        if name is None or not logger.isEnabledFor(logging.INFO):
            return
        end = (claim.task_id, claim.invocation_id, name, claim.retries + 1, started, time.time(), self._runner)
        if (
            self._later is None
            or logger.handlers != self._alone
            or logger.propagate
            or logger.filters
            or self._handler.level > logging.INFO  # type: ignore[union-attr]
            or self._handler.filters  # type: ignore[union-attr]
            or self._handler.formatter is not self._formatter  # type: ignore[union-attr]
            or logging.getLogRecordFactory() is not logging.LogRecord
        ):
            handle_end(logger, end)
        else:
            self._later(end)

    def flush(self) -> None:
        """Write the lines that wait to be written."""
        if self._handler is not None:
            self._handler.ends.flush()


def ends_log(app: AppShape, runner: Any) -> EndsLog | None:
    """Return what logs the ends of invocations; None if the settings leave such lines out.

    Args:
        app: the app.
        runner: the runner whose invocations end.
    """
    logger = app.logger
    return EndsLog(logger, runner) if app.conf.log_invocations and logger.isEnabledFor(logging.INFO) else None
