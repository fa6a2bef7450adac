"""Find invocations by their ids: those of a task, and those that a value names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pynenc._kernel.runtime import runtime_of
from pynenc._wait.threads import missing
from pynenc.exceptions import InvocationNotFoundError
from pynenc.invocation.base_invocation import BaseInvocation
from pynenc.invocation.dev_invocations import find
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.serializer.app_values import register_invocations
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
        found = find(app, invocation_id)
        _check_task(task, invocation_id, found.task.task_id)
        return found
    try:
        record = runtime_of(app).store.get(str(invocation_id))
    except (InvocationNotFoundError, ValueError) as error:
        raise missing(runtime_of(app), invocation_id, error) from None
    _check_task(task, invocation_id, record.task_id)
    invocation = DistributedInvocation(app, record.invocation_id, task=task, parent_id=record.parent_id)
    invocation._record = record
    return invocation


def decoded_invocation(app: Any, kind: type[Any], invocation_id: str) -> BaseInvocation[Any, Any]:
    """Return the invocation that a value of the annotated class `kind` names.

    Raises `InvocationNotFoundError` in dev mode if no call of this process has created it, and `TypeError` if an
    invocation has another class than `kind`.
    """
    if app.conf.dev_mode_force_sync_tasks:
        return find(app, invocation_id)
    if not issubclass(DistributedInvocation, kind):
        raise TypeError(f"invocations cannot be decoded as {kind.__qualname__}; annotate DistributedInvocation")
    return DistributedInvocation(app, invocation_id)


register_invocations(BaseInvocation, decoded_invocation)


def _check_task(task: Task[Params, Result], invocation_id: str, found: str) -> None:
    if str(found) != str(task.task_id):
        raise InvocationNotFoundError(f"invocation {invocation_id} is one of task {found}, not of {task.task_id}")
