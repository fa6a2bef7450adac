"""Triggers: the names of pynenc's interface. This build has no triggers, and refuses with `NotOfferedError`."""

from pynenc.trigger.base_trigger import BaseTrigger
from pynenc.trigger.builder import TriggerBuilder, on_cron, on_event, on_status
from pynenc.trigger.mem_trigger import MemTrigger
from pynenc.trigger.records import (
    ArgumentProviderError,
    CronContext,
    EventContext,
    EventMarker,
    EventMarkerPage,
    EventRecord,
    ExceptionContext,
    NonModuleLevelFunctionError,
    ResultContext,
    StatusContext,
    TriggerDefinitionDTO,
    TriggerRunParticipant,
    TriggerRunRecord,
)
from pynenc.trigger.redis_trigger import RedisTrigger
from pynenc.trigger.sqlite_trigger import SQLiteTrigger

__all__ = [
    "ArgumentProviderError",
    "BaseTrigger",
    "CronContext",
    "EventContext",
    "EventMarker",
    "EventMarkerPage",
    "EventRecord",
    "ExceptionContext",
    "MemTrigger",
    "NonModuleLevelFunctionError",
    "RedisTrigger",
    "ResultContext",
    "SQLiteTrigger",
    "StatusContext",
    "TriggerBuilder",
    "TriggerDefinitionDTO",
    "TriggerRunParticipant",
    "TriggerRunRecord",
    "on_cron",
    "on_event",
    "on_status",
]
