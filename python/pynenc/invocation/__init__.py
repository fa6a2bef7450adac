"""Invocations: what a call of a task returns."""

from pynenc.identifiers import InvocationId
from pynenc.invocation.base_invocation import BaseInvocation, BaseInvocationGroup
from pynenc.invocation.conc_invocation import (
    ConcurrentInvocation,
    ConcurrentInvocationGroup,
    SynchronousInvocation,
    SynchronousInvocationGroup,
)
from pynenc.invocation.dist_group import DistributedInvocationGroup
from pynenc.invocation.dist_invocation import (
    DistributedInvocation,
    InvocationDTO,
    ReusedInvocation,
    TaskInvocation,
    WorkflowInvocation,
)
from pynenc.invocation.status import InvocationStatus, InvocationStatusRecord

__all__ = [
    "BaseInvocation",
    "BaseInvocationGroup",
    "ConcurrentInvocation",
    "ConcurrentInvocationGroup",
    "DistributedInvocation",
    "DistributedInvocationGroup",
    "InvocationDTO",
    "InvocationId",
    "InvocationStatus",
    "InvocationStatusRecord",
    "ReusedInvocation",
    "SynchronousInvocation",
    "SynchronousInvocationGroup",
    "TaskInvocation",
    "WorkflowInvocation",
]
