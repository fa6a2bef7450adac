"""How triggers are declared in pynenc. Each of these names says that this build has none."""

from __future__ import annotations

from typing import Any, NoReturn

from pynenc.trigger.base_trigger import not_offered


class TriggerBuilder:
    """Raises `NotOfferedError` when it is made: a trigger that is declared and never fires would be worse."""

    def __init__(self) -> None:
        raise not_offered("TriggerBuilder()")


def on_cron(expression: str) -> NoReturn:
    """Raises `NotOfferedError`."""
    raise not_offered(f"on_cron({expression!r})")


def on_event(event_code: str, payload_filter: Any = None) -> NoReturn:
    """Raises `NotOfferedError`."""
    raise not_offered(f"on_event({event_code!r})")


def on_status(task: Any, statuses: Any = None, call_arguments: Any = None) -> NoReturn:
    """Raises `NotOfferedError`."""
    raise not_offered(f"on_status({task})")
