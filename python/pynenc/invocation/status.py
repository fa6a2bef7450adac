"""Where an invocation stands. The state machine itself lives in Rust; this reads it and keeps no copy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import NamedTuple


class InvocationStatus(StrEnum):
    """The lower-case texts are what the store keeps and what users see."""

    REGISTERED = "registered"
    CONCURRENCY_CONTROLLED = "concurrency_controlled"
    REROUTED = "rerouted"
    PENDING = "pending"
    PENDING_RECOVERY = "pending_recovery"
    RUNNING = "running"
    RUNNING_RECOVERY = "running_recovery"
    PAUSED = "paused"
    KILLED = "killed"
    RETRY = "retry"
    SUCCESS = "success"
    FAILED = "failed"
    CONCURRENCY_CONTROLLED_FINAL = "concurrency_controlled_final"
    CANCELLED = "cancelled"

    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return _rules()[self].is_final

    def is_available_for_run(self) -> bool:
        """Whether a runner may claim it."""
        return _rules()[self].is_available

    def can_transition_to(self, status: InvocationStatus | str) -> bool:
        """Whether `status` may follow directly. `ValueError` for a text that is no status."""
        return InvocationStatus(status) in _rules()[self].successors

    @classmethod
    def get_final_statuses(cls) -> frozenset[InvocationStatus]:
        """Every status in which an invocation is finished."""
        return frozenset(status for status in cls if status.is_final())

    @classmethod
    def get_available_for_run_statuses(cls) -> frozenset[InvocationStatus]:
        """Every status in which a runner may claim an invocation."""
        return frozenset(status for status in cls if status.is_available_for_run())


@dataclass(frozen=True, slots=True)
class InvocationStatusRecord:
    """A status, the runner that owns the invocation in it (None: nobody), and since when."""

    status: InvocationStatus
    runner_id: str | None
    timestamp: datetime


class _Rule(NamedTuple):
    is_final: bool
    is_available: bool
    successors: frozenset[InvocationStatus]


@cache
def _rules() -> dict[InvocationStatus, _Rule]:
    # At first use and not at import: the extension is loaded when something needs it.
    from pynenc import _core

    return {
        InvocationStatus(name): _Rule(is_final, is_available, frozenset(map(InvocationStatus, successors)))
        for name, is_final, is_available, successors in _core.status_table()
    }
