"""Data of pynenc's triggers. Nothing in this build makes these objects.

They are for the annotations of code that is written for both packages, and for tests of its callbacks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn

from pynenc._tasks.not_offered import no_triggers
from pynenc.exceptions import PynencError


class ArgumentProviderError(PynencError):
    """The arguments of a triggered task could not be made. Never raised here: no trigger fires."""


class NonModuleLevelFunctionError(PynencError, ValueError):
    """A callback of a trigger is not a function of a module. Never raised here: triggers are refused as a whole."""


@dataclass(frozen=True)
class EventContext:
    """The event that a trigger fired for."""

    event_id: str
    """The id of the event."""
    event_code: str
    """The name of the event."""
    payload: dict[str, Any]
    """The data of the event."""
    timestamp: datetime
    """The time of the event."""


@dataclass(frozen=True)
class StatusContext:
    """The status change that a trigger fired for."""

    call_id: str
    """The id of the call."""
    invocation_id: str
    """The id of the invocation."""
    arguments: dict[str, Any]
    """The arguments of the call, by name."""
    status: str
    """The new status."""


@dataclass(frozen=True)
class ResultContext(StatusContext):
    """The result that a trigger fired for."""

    result: Any = None
    """The value."""


@dataclass(frozen=True)
class ExceptionContext(StatusContext):
    """The exception that a trigger fired for."""

    exception_type: str = ""
    """The name of its class."""
    exception_message: str = ""
    """Its text."""


@dataclass(frozen=True)
class CronContext:
    """The minute that a trigger fired for."""

    timestamp: datetime
    """The time of that minute."""
    last_execution: datetime | None = None
    """The time of the run before; None for the first."""


@dataclass(frozen=True)
class TriggerDefinitionDTO:
    """A trigger as data."""

    trigger_id: str
    """The id of the trigger."""
    task_id: str
    """The id of the task that it starts."""
    condition_ids: list[str] = field(default_factory=list)
    """The ids of its conditions."""
    logic: str = "and"
    """`"and"` or `"or"`: whether all conditions must hold, or one."""
    argument_provider_json: str | None = None
    """How the arguments of the task are made, as JSON."""


class _Monitored:
    """A record for a monitor of triggers. This build has no triggers: making one raises `NotOfferedError`.

    Args:
        *args: not used.
        **kwargs: not used.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise no_triggers(type(self).__name__)


class EventRecord(_Monitored):
    """A stored event. Making one raises `NotOfferedError`."""


class EventMarker(_Monitored):
    """An event in a time line. Making one raises `NotOfferedError`."""


class EventMarkerPage(_Monitored):
    """Some events in a time line. Making one raises `NotOfferedError`."""


class TriggerRunRecord(_Monitored):
    """A start of a task by a trigger. Making one raises `NotOfferedError`."""


class TriggerRunParticipant(_Monitored):
    """An event that made a trigger fire. Making one raises `NotOfferedError`."""
