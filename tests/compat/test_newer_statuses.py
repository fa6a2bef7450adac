"""Names of pynenc 0.4 for statuses, status records and histories."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from support.jobs import shapes

from pynenc import Pynenc
from pynenc.exceptions import InvocationStatusOwnershipError, InvocationStatusTransitionError
from pynenc.invocation.status import (
    InvocationStatus,
    InvocationStatusRecord,
    get_status_definition,
    status_record_transition,
    validate_ownership,
    validate_transition,
)
from pynenc.state_backend import InvocationHistory

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)


@pytest.fixture
def app(request: pytest.FixtureRequest) -> Pynenc:
    return Pynenc(request.node.name[:150], {"store_url": "memory://"})


@pytest.mark.parametrize(
    ("status", "final", "available", "requires", "acquires", "releases", "overrides"),
    [
        ("registered", False, True, False, False, True, False),
        ("concurrency_controlled", False, False, False, False, True, False),
        ("rerouted", False, True, False, False, True, False),
        ("pending", False, False, True, True, False, False),
        ("pending_recovery", False, False, False, False, True, True),
        ("running", False, False, True, False, False, False),
        ("running_recovery", False, False, False, False, True, True),
        ("paused", False, False, True, False, False, False),
        ("killed", False, False, False, False, True, False),
        ("retry", False, True, False, False, True, False),
        ("success", True, False, False, False, True, False),
        ("failed", True, False, False, False, True, False),
        ("concurrency_controlled_final", True, False, False, False, True, False),
        ("cancelled", True, False, False, False, True, True),
    ],
)
def test_a_status_has_the_rules_of_the_contract(
    status: str, final: bool, available: bool, requires: bool, acquires: bool, releases: bool, overrides: bool
) -> None:
    found = get_status_definition(status)
    assert (found.is_final, found.available_for_run) == (final, available)
    assert (found.requires_ownership, found.acquires_ownership) == (requires, acquires)
    assert (found.releases_ownership, found.overrides_ownership) == (releases, overrides)
    assert all(InvocationStatus(status).can_transition_to(each) for each in found.allowed_transitions)


def test_status_records_move_as_the_state_machine_says() -> None:
    record = status_record_transition(None, "registered", None)
    assert (record.status, record.runner_id) == ("registered", None)
    assert abs(record.timestamp - datetime.now(UTC)) < timedelta(minutes=1)
    claimed = status_record_transition(record, "pending", "r1")
    running = status_record_transition(claimed, InvocationStatus.RUNNING, "r1")
    assert running.runner_id == "r1"
    with pytest.raises(InvocationStatusOwnershipError, match="of r1 cannot be ended by r2"):
        status_record_transition(running, "success", "r2")
    with pytest.raises(InvocationStatusOwnershipError, match="needs the id of the runner"):
        validate_ownership(record, "pending", "")
    with pytest.raises(InvocationStatusTransitionError, match="registered cannot follow running"):
        status_record_transition(running, "registered", "r1")
    with pytest.raises(InvocationStatusTransitionError, match="pending cannot follow nothing; registered can"):
        validate_transition(None, "pending")
    assert status_record_transition(running, "running_recovery", "r2").runner_id is None
    assert status_record_transition(running, "success", "r1").runner_id is None


def test_status_records_and_histories_travel_as_json(app: Pynenc) -> None:
    record = InvocationStatusRecord(InvocationStatus.RUNNING, "r1", NOW)
    assert InvocationStatusRecord.from_json(record.to_json()) == record
    [entry] = app.state_backend.get_history(app.task(shapes.calm)())
    assert InvocationHistory.from_json(entry.to_json()) == entry
    for cls in (InvocationStatusRecord, InvocationHistory):
        with pytest.raises(ValueError, match=r"status|missing"):
            cls.from_json("{}")
