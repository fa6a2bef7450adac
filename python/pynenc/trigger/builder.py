"""Declarations of triggers as in pynenc. This build has no triggers, so each name refuses."""

from __future__ import annotations

from typing import Any, NoReturn

from pynenc._tasks.not_offered import no_triggers


class TriggerBuilder:
    """The declaration of a trigger. Making one raises `NotOfferedError`: a trigger that never fires would be worse."""

    def __init__(self) -> None:
        raise no_triggers("TriggerBuilder()")


def on_cron(expression: str) -> NoReturn:
    """Refuse: this build has no triggers.

    Args:
        expression: the times in the format of cron.
    Raises:
        NotOfferedError: always.
    """
    raise no_triggers(f"on_cron({expression!r})")


def on_event(event_code: str, payload_filter: Any = None) -> NoReturn:
    """Refuse: this build has no triggers.

    Args:
        event_code: the name of the event.
        payload_filter: the values that its data must have.
    Raises:
        NotOfferedError: always.
    """
    raise no_triggers(f"on_event({event_code!r})")


def on_status(task: Any, statuses: Any = None, call_arguments: Any = None) -> NoReturn:
    """Refuse: this build has no triggers.

    Args:
        task: the task.
        statuses: the statuses of its invocations.
        call_arguments: the arguments that they must have.
    Raises:
        NotOfferedError: always.
    """
    raise no_triggers(f"on_status({task})")
