"""The asyncio task of a coroutine body, which the bodies beside it cannot cancel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from pynenc import context

if TYPE_CHECKING:
    from pynenc import _core


class BodyTask(asyncio.Task[None]):
    """Runs one body. Only the body itself and its worker may cancel it.

    A body that cancels everything in `asyncio.all_tasks()` finds the bodies beside it there, too. What else it cancels
    of theirs, such as a task that they await, cannot be told from what libraries do; so this task remembers who tried,
    and a body that then ends by a `CancelledError` is run again.
    """

    def __init__(
        self,
        body: Coroutine[Any, Any, None],
        loop: asyncio.AbstractEventLoop,
        claim: _core.Claim,
        refused: Callable[[str, str], object],
    ) -> None:
        """
        Args:
            refused: called with the name of this task, and that of the invocation that tried to cancel it.
        """
        super().__init__(body, loop=loop, name=f"{claim.task_id} (invocation {claim.invocation_id})")
        self._invocation_id = claim.invocation_id
        self._refused = refused
        self.disturbed_by = ""
        """The invocation that tried to cancel this one; empty if there is none."""

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the body, unless another body asks for it; whether it was cancelled."""
        caller = context.current_invocation.get()
        if caller is None or str(caller.invocation_id) == self._invocation_id:
            return super().cancel(msg)
        if not self.disturbed_by and not self.done():
            self.disturbed_by = str(caller.invocation_id)
            self._refused(self.get_name(), self.disturbed_by)
        return False


def disturbed_by() -> str:
    """The invocation that tried to cancel the body of the running task; empty if there is none."""
    task = asyncio.current_task()
    return task.disturbed_by if isinstance(task, BodyTask) else ""
