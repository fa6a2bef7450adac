"""Statuses, and who may run what next, as a view over the store."""

from pynenc._views.controls import ActiveRunnerInfo, BaseBlockingControl, BaseCycleControl
from pynenc.orchestrator.base_orchestrator import BaseOrchestrator
from pynenc.orchestrator.mem_orchestrator import MemOrchestrator
from pynenc.orchestrator.redis_orchestrator import RedisOrchestrator
from pynenc.orchestrator.sqlite_orchestrator import SQLiteOrchestrator

__all__ = [
    "ActiveRunnerInfo",
    "BaseBlockingControl",
    "BaseCycleControl",
    "BaseOrchestrator",
    "MemOrchestrator",
    "RedisOrchestrator",
    "SQLiteOrchestrator",
]
