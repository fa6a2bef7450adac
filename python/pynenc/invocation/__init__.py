"""Invocations: what a call of a task returns."""

from pynenc.identifiers import InvocationId
from pynenc.invocation.base_invocation import BaseInvocation, BaseInvocationGroup
from pynenc.invocation.conc_group import ConcurrentInvocationGroup, SynchronousInvocationGroup
from pynenc.invocation.conc_invocation import ConcurrentInvocation, SynchronousInvocation
from pynenc.invocation.dist_group import DistributedInvocationGroup
from pynenc.invocation.dist_invocation import DistributedInvocation, TaskInvocation
from pynenc.invocation.dto import InvocationDTO
from pynenc.invocation.kinds import ReusedInvocation, WorkflowInvocation
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
