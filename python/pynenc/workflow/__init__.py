"""Workflows: the names of pynenc's interface. This build has none, and says so where one is asked for."""

from pynenc.workflow.exceptions import (
    DeterministicOperationScopeError,
    WorkflowError,
    WorkflowMembershipError,
    WorkflowPauseError,
)
from pynenc.workflow.workflow_context import WorkflowContext, WorkflowIdentity
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
