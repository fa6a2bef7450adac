"""The exceptions of workflows."""

from __future__ import annotations

from pynenc.exceptions import PynencError


class WorkflowError(PynencError):
    """Base class of the exceptions of workflows."""


class WorkflowPauseError(WorkflowError):
    """A name of pynenc, which does not raise it either."""


class WorkflowMembershipError(WorkflowError):
    """Data of a workflow was used outside of one."""


class DeterministicOperationScopeError(WorkflowError):
    """A deterministic operation was used outside of the root of a workflow."""
