"""Interrupts coroutine bodies on their event loop: at the limits of their task, and when they are cancelled.

The body is cancelled at its next `await`. A body that still runs `GRACE_SEC` after its `timeout`, or
`cancel_grace_sec` after it was cancelled, is given up, as its runner can.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Coroutine
from typing import Any

from pynenc._execute.timer import GRACE_SEC
from pynenc.conf.body_limits import Limits
from pynenc.exceptions import TaskCancelledError, TaskTimeoutError


class CoroutineLimit:
    """What may interrupt one coroutine body: its limits, if it has any, and a cancellation."""

    __slots__ = ("_cancelled", "_give_up", "_limits", "_loop", "_task", "_wish", "stage")

    def __init__(self, limits: Limits | None, give_up: Callable[[], None] | None = None) -> None:
        self._limits = limits
        self._give_up = give_up
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = 0
        self._wish: float | None = None
        self.stage = ""
        """What interrupted it last: empty, `soft`, `hard`, `cancelled`; or `gave up`, after one of the latter two."""

    @property
    def cancelled_after(self) -> float | None:
        """The grace that it was given when it was cancelled; None if it was not."""
        return self._wish

    def cancel(self, grace_sec: float) -> None:
        """From any thread, and more than once: cancel it at its next `await`, and give it up after so long."""
        if self._wish is None:
            self._wish = grace_sec
            # Unset before `run`, which looks at the wish.
            loop = self._loop
            if loop is not None:
                with contextlib.suppress(RuntimeError):
                    # Closed: it has ended.
                    loop.call_soon_threadsafe(self._cancel_now)

    async def run(self, body: Coroutine[Any, Any, Any]) -> Any:
        """What `body` returns. What interrupts it cancels it; when it has ended, `TaskTimeoutError` after a limit, and
        `TaskCancelledError` after a cancellation."""
        task = self._task = asyncio.current_task()
        assert task is not None
        loop = self._loop = asyncio.get_running_loop()
        before = task.cancelling()
        calls = []
        if self._limits is not None:
            soft, hard = self._limits
            if soft < hard:
                calls.append(loop.call_later(soft, self._interrupt, "soft"))
            if hard < math.inf:
                calls.append(loop.call_later(hard, self._interrupt, "hard"))
                if self._give_up is not None:
                    calls.append(loop.call_later(hard + GRACE_SEC, self._let_go, "hard"))
        if self._wish is not None:
            loop.call_soon(self._cancel_now)
        try:
            return await body
        except asyncio.CancelledError as error:
            if self._cancelled and task.cancelling() - self._cancelled <= before:
                raise (TaskCancelledError if self.stage == "cancelled" else TaskTimeoutError) from error
            raise
        finally:
            self._task = None
            for call in calls:
                call.cancel()
            for _ in range(self._cancelled):
                task.uncancel()

    def _interrupt(self, stage: str) -> None:
        if self._task is not None and self.stage in ("", "soft"):
            self.stage = stage
            self._cancelled += 1
            self._task.cancel()

    def _cancel_now(self) -> None:
        self._interrupt("cancelled")
        wish, loop = self._wish, self._loop
        if self.stage == "cancelled" and self._give_up is not None and loop is not None and wish is not None:
            loop.call_later(wish, self._let_go, "cancelled")

    def _let_go(self, stage: str) -> None:
        if self._task is not None and self.stage == stage and self._give_up is not None:
            self.stage = "gave up"
            self._give_up()
