"""What pynenc's triggers hand to callbacks and keep, as data. Nothing in this build makes one of these.

They are here for the annotations of code that is written for both, and for the tests of its callbacks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn

from pynenc.exceptions import PynencError
from pynenc.trigger.base_trigger import not_offered


class ArgumentProviderError(PynencError):
    """No arguments could be made for the task of a trigger. Never raised here: no trigger fires."""


class NonModuleLevelFunctionError(PynencError, ValueError):
    """A callback of a trigger is no function of a module. Never raised here: triggers are refused as a whole."""


@dataclass(frozen=True)
class EventContext:
    """The event that a trigger has fired for."""

    event_id: str
    event_code: str
    payload: dict[str, Any]
    timestamp: datetime


@dataclass(frozen=True)
class StatusContext:
    """The status change that a trigger has fired for."""

    call_id: str
    invocation_id: str
    arguments: dict[str, Any]
    status: str


@dataclass(frozen=True)
class ResultContext(StatusContext):
    """The result that a trigger has fired for."""

    result: Any = None


@dataclass(frozen=True)
class ExceptionContext(StatusContext):
    """The exception that a trigger has fired for."""

    exception_type: str = ""
    exception_message: str = ""


@dataclass(frozen=True)
class CronContext:
    """The minute that a trigger has fired for."""

    timestamp: datetime
    last_execution: datetime | None = None


@dataclass(frozen=True)
class TriggerDefinitionDTO:
    """A trigger as data."""

    trigger_id: str
    task_id: str
    condition_ids: list[str] = field(default_factory=list)
    logic: str = "and"
    argument_provider_json: str | None = None


class _Monitored:
    """A record for a monitor of triggers: as there are none, making one raises."""

    def __init__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise not_offered(type(self).__name__)


class EventRecord(_Monitored):
    """A stored event. Raises `NotOfferedError` when it is made."""


class EventMarker(_Monitored):
    """An event in a time line. Raises `NotOfferedError` when it is made."""


class EventMarkerPage(_Monitored):
    """Some of those. Raises `NotOfferedError` when it is made."""


class TriggerRunRecord(_Monitored):
    """What a trigger has started. Raises `NotOfferedError` when it is made."""


class TriggerRunParticipant(_Monitored):
    """What has made a trigger fire. Raises `NotOfferedError` when it is made."""
