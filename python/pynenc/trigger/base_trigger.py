"""`app.trigger`: what starts tasks by itself. Nothing does in this build."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NoReturn

from pynenc.conf.config_trigger import ConfigTrigger
from pynenc.exceptions import NotOfferedError
from pynenc.util.views import View

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
    """The trigger component by its name. There are no triggers: what lists them finds none, everything else that
    pynenc's class has raises `NotOfferedError`. A subclass is chosen with `trigger_cls` and may bring methods.
    """

    @cached_property
    def conf(self) -> ConfigTrigger:
        """Settings of this component."""
        return ConfigTrigger(self.app.config_values, self.app.config_filepath)

    def emit_event(self, event_code: str, payload: dict[str, Any] | None = None) -> str:
        """Raises `NotOfferedError`: no trigger would hear it."""
        raise not_offered(f"app.trigger.emit_event({event_code!r})")

    def get_valid_conditions(self) -> dict[str, Any]:
        """Conditions that hold and wait to be acted on: none."""
        return {}

    def get_events(self, filters: Any = None, limit: int = 100, offset: int = 0) -> list[Any]:
        """Stored events: none, for none can be emitted."""
        return []

    def count_events(self, filters: Any = None) -> int:
        """How many events are stored: 0."""
        return 0

    def list_event_codes(self) -> list[str]:
        """Codes of the stored events: none."""
        return []

    def purge(self) -> None:
        """Remove all triggers and events: there are none, so this is through at once."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name not in _NOT_OFFERED:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

        def refuse(*args: Any, **kwargs: Any) -> NoReturn:
            raise not_offered(f"app.trigger.{name}")

        return refuse


def not_offered(what: str) -> NotOfferedError:
    """The error for everything that would need triggers."""
    return NotOfferedError(
        f"{what}: this build has no triggers. Call the task where the event happens, or from a scheduler such as cron."
    )
