"""Invocations by the way they came about: submitted just now, reused, or of a workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from pynenc._tasks.not_offered import no_workflows
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.types import Params, Result

if TYPE_CHECKING:
    from pynenc.arguments import Arguments
    from pynenc.task import Task


class ReusedInvocation(DistributedInvocation[Params, Result], Generic[Params, Result]):
    """The answer to a call that registration concurrency refused: the invocation in the queue that takes its place."""

    __slots__ = ("diff_arg",)

    diff_arg: Arguments | None
    """The arguments of the refused call, if they differ from those of this invocation; else None."""


class WorkflowInvocation(DistributedInvocation[Params, Result], Generic[Params, Result]):
    """The invocation of a workflow. This build has no workflows: making one raises `NotOfferedError`.

    Args:
        *args: not used.
        **kwargs: not used.
    """

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise no_workflows("WorkflowInvocation(…)")


def submitted(
    cls: type[DistributedInvocation[Params, Result]],
    task: Task[Params, Result],
    invocation_id: str,
    kwargs: dict[str, Any],
    parent_id: str | None,
    depth: int,
) -> DistributedInvocation[Params, Result]:
    """Return the invocation of a call that this process has just submitted.

    Args:
        cls: the class to make.
        task: the task that was called.
        invocation_id: the id that the store gave.
        kwargs: the arguments that the caller passed.
        parent_id: id of the invocation whose body made the call, or None.
        depth: the number of invocations above it.
    Returns:
        The invocation, which knows all of this without reading the store.
    """
    invocation = cls(task.app, invocation_id, task=task)
    invocation._kwargs = kwargs
    invocation._parent_id = parent_id
    invocation._depth = depth
    return invocation
