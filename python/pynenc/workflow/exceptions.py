"""What can be wrong with a workflow."""

from __future__ import annotations

from pynenc.exceptions import NotOfferedError, PynencError


class WorkflowError(PynencError):
    """Base of what workflows raise."""


class WorkflowPauseError(WorkflowError):
    """Name kept for code written for pynenc, which does not raise it either."""


class WorkflowMembershipError(WorkflowError):
    """Data of a workflow was asked for outside of one."""


class DeterministicOperationScopeError(WorkflowError):
    """A deterministic operation was asked for outside of the root of a workflow."""


NO_WORKFLOWS = "this build has no workflows"


def not_offered(what: str) -> NotOfferedError:
    """The error for everything that would make a workflow."""
    return NotOfferedError(
        f"{what}: {NO_WORKFLOWS}. A task that calls other tasks and waits for them is run again as a whole after a "
        "retry or the death of its runner; keep what must survive that where its tasks can reach it."
    )
