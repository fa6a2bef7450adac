"""Where an invocation stands. The state machine itself lives in Rust; this reads it and keeps no copy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import NamedTuple

import msgspec

from pynenc.exceptions import InvocationStatusOwnershipError, InvocationStatusTransitionError


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

    def to_json(self) -> str:
        """One JSON object."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> InvocationStatusRecord:
        """The inverse of `to_json`. Raises `ValueError` for text that is none."""
        return msgspec.json.decode(text, type=cls)


@dataclass(frozen=True, slots=True)
class StatusDefinition:
    """What may be done with an invocation in one status."""

    allowed_transitions: frozenset[InvocationStatus]
    is_final: bool = False
    available_for_run: bool = False
    requires_ownership: bool = False
    """Only its owner may end this status, unless the next one overrides that."""
    acquires_ownership: bool = False
    """The runner that sets this status owns the invocation from then on."""
    releases_ownership: bool = False
    """Nobody owns the invocation in this status."""
    overrides_ownership: bool = False
    """It may be set without owning the invocation."""


@dataclass(frozen=True, slots=True)
class StatusConfiguration:
    """The state machine."""

    definitions: dict[InvocationStatus, StatusDefinition]


def get_status_definition(status: InvocationStatus | str) -> StatusDefinition:
    """What may be done with an invocation in this status. `ValueError` for a text that is no status."""
    return status_configuration().definitions[InvocationStatus(status)]


def validate_transition(from_status: InvocationStatus | str | None, to_status: InvocationStatus | str) -> None:
    """Check that `to_status` may follow `from_status`; None is an invocation that does not exist yet.

    Raises:
        InvocationStatusTransitionError: it may not.
    """
    wanted = InvocationStatus(to_status)
    allowed = (
        frozenset({InvocationStatus.REGISTERED})
        if from_status is None
        else get_status_definition(from_status).allowed_transitions
    )
    if wanted not in allowed:
        raise InvocationStatusTransitionError(
            f"the status {wanted.value} cannot follow {'nothing' if from_status is None else str(from_status)}; "
            f"{', '.join(sorted(allowed)) or 'nothing'} can"
        )


def validate_ownership(
    current: InvocationStatusRecord | None, to_status: InvocationStatus | str, runner_id: str | None
) -> None:
    """Check that `runner_id` may set `to_status` on an invocation with the record `current`.

    Raises:
        InvocationStatusOwnershipError: another runner owns it, or the status needs an owner and there is none.
    """
    wanted = get_status_definition(to_status)
    if wanted.acquires_ownership and not runner_id:
        raise InvocationStatusOwnershipError(
            f"the status {to_status} needs the id of the runner that becomes the owner"
        )
    if current is None or wanted.overrides_ownership:
        return
    if get_status_definition(current.status).requires_ownership and runner_id != current.runner_id:
        raise InvocationStatusOwnershipError(
            f"the status {current.status} of an invocation of {current.runner_id} cannot be ended by {runner_id}"
        )


def status_record_transition(
    current: InvocationStatusRecord | None, to_status: InvocationStatus | str, runner_id: str | None
) -> InvocationStatusRecord:
    """Return the record after the step to `to_status`; changes no invocation.

    Raises:
        InvocationStatusTransitionError: the status cannot follow.
        InvocationStatusOwnershipError: `runner_id` may not set it.
    """
    validate_transition(None if current is None else current.status, to_status)
    validate_ownership(current, to_status, runner_id)
    owner = None if get_status_definition(to_status).releases_ownership else runner_id
    return InvocationStatusRecord(InvocationStatus(to_status), owner, datetime.now(UTC))


@cache
def status_configuration() -> StatusConfiguration:
    """The state machine as data, read from the engine."""
    rules = _rules()
    recoveries = {InvocationStatus.PENDING_RECOVERY, InvocationStatus.RUNNING_RECOVERY}
    claimed = {status for status, rule in rules.items() if rule.successors & recoveries}
    waiting = [rule.successors for rule in rules.values() if rule.is_available]
    return StatusConfiguration(
        {
            status: StatusDefinition(
                allowed_transitions=rule.successors,
                is_final=rule.is_final,
                available_for_run=rule.is_available,
                requires_ownership=status in claimed,
                acquires_ownership=status in claimed and any(status in successors for successors in waiting),
                releases_ownership=status not in claimed,
                overrides_ownership=status in recoveries or status is InvocationStatus.CANCELLED,
            )
            for status, rule in rules.items()
        }
    )


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
