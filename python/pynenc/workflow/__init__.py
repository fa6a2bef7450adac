"""Workflows: the names of pynenc's interface. This build has no workflows, and refuses with `NotOfferedError`."""

from pynenc._tasks.workflow_context import WorkflowContext, WorkflowIdentity
from pynenc._tasks.workflow_errors import (
    DeterministicOperationScopeError,
    WorkflowError,
    WorkflowMembershipError,
    WorkflowPauseError,
)
from pynenc.workflow.workflow_task import WorkflowTask

__all__ = [
    "DeterministicOperationScopeError",
    "WorkflowContext",
    "WorkflowError",
    "WorkflowIdentity",
    "WorkflowMembershipError",
    "WorkflowPauseError",
    "WorkflowTask",
]
