"""The exceptions of workflows."""

from __future__ import annotations

from pynenc.exceptions import NotOfferedError, PynencError


class WorkflowError(PynencError):
    """Base class of the exceptions of workflows."""


class WorkflowPauseError(WorkflowError):
    """A name of pynenc, which does not raise it either."""


class WorkflowMembershipError(WorkflowError):
    """Data of a workflow was used outside of one."""


class DeterministicOperationScopeError(WorkflowError):
    """A deterministic operation was used outside of the root of a workflow."""


NO_WORKFLOWS = "this build has no workflows"


def not_offered(what: str) -> NotOfferedError:
    """Return the error for what would need workflows.

    Args:
        what: the name that was used.
    Returns:
        The error, not raised.
    """
    return NotOfferedError(
        f"{what}: {NO_WORKFLOWS}. A task that calls other tasks and waits for them is run again as a whole after a "
        "retry or the death of its runner; keep what must survive that where its tasks can reach it."
    )
