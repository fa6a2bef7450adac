"""`app.trigger`: pynenc's component for triggers. This build has none."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NoReturn

from pynenc._tasks.not_offered import no_triggers
from pynenc._views.view import View
from pynenc.conf.config_trigger import ConfigTrigger

_NOT_OFFERED = frozenset(
    {
        "claim_trigger_run",
        "clean_task_trigger_definitions",
        "clear_valid_conditions",
        "get_condition",
        "get_conditions_sourced_from_task",
        "get_event",
        "get_event_markers_in_timerange",
        "get_invocations_triggered_by_event",
        "get_last_cron_execution",
        "get_trigger_run",
        "get_trigger_runs_for_event",
        "get_trigger_runs_for_invocation",
        "get_trigger_runs_in_timerange",
        "get_triggers_for_condition",
        "link_trigger_run_to_events",
        "record_valid_condition",
        "record_valid_conditions",
        "register_trigger",
        "store_event",
        "store_last_cron_execution",
        "store_trigger_run",
    }
)
"""Methods of pynenc's class that need a store of triggers. A subclass may bring its own."""


class BaseTrigger(View):
    """The trigger component by its name. Methods that list triggers or events find none.

    Every other method of pynenc's class raises `NotOfferedError`. `trigger_cls` selects an imported subclass by its
    name, which may bring its own methods.

    Args:
        app: the app.

    Example:
        >>> app.trigger.count_events(), app.trigger.list_event_codes()
        (0, [])
    """

    @cached_property
    def conf(self) -> ConfigTrigger:
        """The settings of this component."""
        return ConfigTrigger(self.app.config_values, self.app.config_filepath)

    def emit_event(self, event_code: str, payload: dict[str, Any] | None = None) -> str:
        """Refuse: this build has no triggers.

        Args:
            event_code: the name of the event.
            payload: its data.
        Raises:
            NotOfferedError: always.
        """
        raise no_triggers(f"app.trigger.emit_event({event_code!r})")

    def get_valid_conditions(self) -> dict[str, Any]:
        """List the conditions that hold.

        Returns:
            An empty dict: this build has no triggers.
        """
        return {}

    def get_events(self, filters: Any = None, limit: int = 100, offset: int = 0) -> list[Any]:
        """List the stored events.

        Args:
            filters: accepted for compatibility.
            limit: accepted for compatibility.
            offset: accepted for compatibility.
        Returns:
            An empty list: this build has no triggers.
        """
        return []

    def count_events(self, filters: Any = None) -> int:
        """Count the stored events.

        Args:
            filters: accepted for compatibility.
        Returns:
            0: this build has no triggers.
        """
        return 0

    def list_event_codes(self) -> list[str]:
        """List the codes of the stored events.

        Returns:
            An empty list: this build has no triggers.
        """
        return []

    def purge(self) -> None:
        """Return at once: there are no triggers and no events to remove."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name not in _NOT_OFFERED:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

        def refuse(*args: Any, **kwargs: Any) -> NoReturn:
            raise no_triggers(f"app.trigger.{name}")

        return refuse
