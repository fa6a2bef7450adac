"""The errors for features of pynenc that this build does not have."""

from __future__ import annotations

from pynenc.exceptions import NotOfferedError

NO_WORKFLOWS = "this build has no workflows"


def no_triggers(what: str) -> NotOfferedError:
    """Return the error for everything that would need triggers."""
    return NotOfferedError(
        f"{what}: this build has no triggers. Call the task where the event happens, or from a scheduler such as cron."
    )


def no_workflows(what: str) -> NotOfferedError:
    """Return the error for everything that would make a workflow."""
    return NotOfferedError(
        f"{what}: {NO_WORKFLOWS}. A task that calls other tasks and waits for them is run again as a whole after a "
        "retry or the death of its runner; keep what must survive that where its tasks can reach it."
    )
