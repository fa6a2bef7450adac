"""The text of the line that a finished invocation has in the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pynenc._identity.runner_context import HasRunnerId

End: TypeAlias = "tuple[str, str, str, int, float | None, float, HasRunnerId]"
"""Ids of task and invocation, outcome, number of the attempt, begin and end in seconds of `time.time()`, and the
runner. A body that was given up has no begin."""


def message(end: End) -> str:
    """Return the text of the line."""
    _, invocation_id, outcome, attempt, started, ended, _ = end
    if started is None:
        return f"finished: {outcome}, attempt {attempt}, given up"
    waited = max(0.0, started - created_at(invocation_id))
    return f"finished: {outcome}, attempt {attempt}, waited {waited:.3f} s, took {ended - started:.3f} s"


def fields(end: End) -> dict[str, object]:
    """Return the extra fields of a record of the line."""
    _, invocation_id, outcome, attempt, started, ended, _ = end
    if started is None:
        return {"outcome": outcome, "attempt": attempt}
    return {
        "outcome": outcome,
        "attempt": attempt,
        # The wait counts from the call on: it includes a delay and earlier attempts.
        "waited_sec": round(max(0.0, started - created_at(invocation_id)), 6),
        "took_sec": round(ended - started, 6),
    }


def handle_end(logger: logging.Logger, end: End) -> None:
    """Log the line as a record, so that every handler and filter sees it."""
    # The stack is not searched for the caller: that would take longer than all the rest.
    record = logger.makeRecord(
        logger.name, logging.INFO, __file__, 0, message(end), (), None, "handle_end", fields(end)
    )
    logger.handle(record)


def created_at(invocation_id: str) -> float:
    """Return the time at which an id was created, in seconds of its process's clock: ids begin with the time."""
    return int(invocation_id[:8] + invocation_id[9:13], 16) / 1000
