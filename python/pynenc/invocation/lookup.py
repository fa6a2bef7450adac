"""Find invocations of one task by their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pynenc._wait.threads import missing
from pynenc.exceptions import InvocationNotFoundError
from pynenc.invocation.base_invocation import BaseInvocation
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.types import Params, Result

if TYPE_CHECKING:
    from pynenc.task import Task


def invocation_of_task(task: Task[Params, Result], invocation_id: str) -> BaseInvocation[Params, Result]:
    """Find an invocation of a task. Blocks for one read of the store.

    Args:
        task: the task that the invocation must be of.
        invocation_id: the id.
    Returns:
        The invocation.
    Raises:
        InvocationNotFoundError: the store has none with this id, or it is one of another task.
    """
    app = task.app
    if app.conf.dev_mode_force_sync_tasks:
        from pynenc._submit.dev_mode import find

        found = find(app, invocation_id)
        _check_task(task, invocation_id, found.task.task_id)
        return found
    try:
        record = app._runtime.store.get(str(invocation_id))
    except (InvocationNotFoundError, ValueError) as error:
        raise missing(app, invocation_id, error) from None
    _check_task(task, invocation_id, record.task_id)
    invocation = DistributedInvocation(app, record.invocation_id, task=task, parent_id=record.parent_id)
    invocation._record = record
    return invocation


def _check_task(task: Task[Params, Result], invocation_id: str, found: str) -> None:
    if str(found) != str(task.task_id):
        raise InvocationNotFoundError(f"invocation {invocation_id} is one of task {found}, not of {task.task_id}")
