"""The status of an invocation. The state machine itself is in Rust; this module reads it and keeps no copy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import NamedTuple

import msgspec

from pynenc._engine.facts import status_rows
from pynenc.exceptions import InvocationStatusOwnershipError, InvocationStatusTransitionError


class InvocationStatus(StrEnum):
    """The state of an invocation. Each member equals its lower-case text, which the store keeps.

    Example:
        >>> InvocationStatus("success").is_final(), InvocationStatus.RUNNING.can_transition_to("retry")
        (True, True)
    """

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
        """Return whether no other status can follow.

        Returns:
            True for a finished invocation.
        """
        return _rules()[self].is_final

    def is_available_for_run(self) -> bool:
        """Return whether a runner may claim an invocation in this status.

        Returns:
            True for an invocation that waits in the queue.
        """
        return _rules()[self].is_available

    def can_transition_to(self, status: InvocationStatus | str) -> bool:
        """Return whether a status may follow this one directly.

        Args:
            status: the next status, or its text.
        Returns:
            True if the state machine has this step.
        Raises:
            ValueError: no status has this text.
        """
        return InvocationStatus(status) in _rules()[self].successors

    @classmethod
    def get_final_statuses(cls) -> frozenset[InvocationStatus]:
        """Return every status in which an invocation is finished.

        Returns:
            The statuses.
        """
        return frozenset(status for status in cls if status.is_final())

    @classmethod
    def get_available_for_run_statuses(cls) -> frozenset[InvocationStatus]:
        """Return every status in which a runner may claim an invocation.

        Returns:
            The statuses.
        """
        return frozenset(status for status in cls if status.is_available_for_run())


@dataclass(frozen=True, slots=True)
class InvocationStatusRecord:
    """A status with its owner and its time."""

    status: InvocationStatus
    """The status."""
    runner_id: str | None
    """The runner that owns the invocation in this status; None if no runner does."""
    timestamp: datetime
    """The time of the change, with time zone."""

    def to_json(self) -> str:
        """Return the record as text.

        Returns:
            One JSON object.
        """
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> InvocationStatusRecord:
        """Read a record.

        Args:
            text: what `to_json` returned.
        Returns:
            The record.
        Raises:
            ValueError: the text is no such record.
        """
        return msgspec.json.decode(text, type=cls)


@dataclass(frozen=True, slots=True)
class StatusDefinition:
    """The rules of one status."""

    allowed_transitions: frozenset[InvocationStatus]
    """The statuses that may follow directly."""
    is_final: bool = False
    """No status may follow."""
    available_for_run: bool = False
    """A runner may claim an invocation in this status."""
    requires_ownership: bool = False
    """Only the owner may end this status, unless the next status overrides that."""
    acquires_ownership: bool = False
    """The runner that sets this status owns the invocation from then on."""
    releases_ownership: bool = False
    """No runner owns the invocation in this status."""
    overrides_ownership: bool = False
    """This status may be set without owning the invocation."""


@dataclass(frozen=True, slots=True)
class StatusConfiguration:
    """The state machine as data."""

    definitions: dict[InvocationStatus, StatusDefinition]
    """The rules of each status."""


def get_status_definition(status: InvocationStatus | str) -> StatusDefinition:
    """Return the rules of a status.

    Args:
        status: a status, or its text.
    Returns:
        The rules.
    Raises:
        ValueError: no status has this text.
    """
    return status_configuration().definitions[InvocationStatus(status)]


def validate_transition(from_status: InvocationStatus | str | None, to_status: InvocationStatus | str) -> None:
    """Check that one status may follow another.

    Args:
        from_status: the present status, or its text; None for an invocation that does not exist yet.
        to_status: the next status, or its text.
    Raises:
        InvocationStatusTransitionError: the state machine does not have this step.
        ValueError: no status has this text.
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
    """Check that a runner may set a status.

    Args:
        current: the present record; None for an invocation that does not exist yet.
        to_status: the next status, or its text.
        runner_id: the runner that sets it; None for a client.
    Raises:
        InvocationStatusOwnershipError: another runner owns the invocation, or the status needs an owner and `runner_id`
            is empty.
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
    """Return the record after a step. Changes no invocation.

    Args:
        current: the present record; None for an invocation that does not exist yet.
        to_status: the next status, or its text.
        runner_id: the runner that sets it; None for a client.
    Returns:
        The new record, with the time now.
    Raises:
        InvocationStatusTransitionError: the state machine does not have this step.
        InvocationStatusOwnershipError: `runner_id` may not set the status.
    """
    validate_transition(None if current is None else current.status, to_status)
    validate_ownership(current, to_status, runner_id)
    owner = None if get_status_definition(to_status).releases_ownership else runner_id
    return InvocationStatusRecord(InvocationStatus(to_status), owner, datetime.now(UTC))


@cache
def status_configuration() -> StatusConfiguration:
    """Return the state machine as data, read from the engine.

    Returns:
        The rules of every status.
    """
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
    return {
        InvocationStatus(name): _Rule(row.is_final, row.is_available, frozenset(map(InvocationStatus, row.successors)))
        for name, row in status_rows().items()
    }
