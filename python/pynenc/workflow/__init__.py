"""Workflows: the names of pynenc's interface. This build has no workflows, and refuses with `NotOfferedError`."""

from pynenc.identifiers import WorkflowIdentity
from pynenc.workflow.exceptions import (
    DeterministicOperationScopeError,
    WorkflowError,
    WorkflowMembershipError,
    WorkflowPauseError,
)
from pynenc.workflow.workflow_context import WorkflowContext
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
