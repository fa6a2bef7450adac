"""The bodies that run in this process, and how one of them is interrupted.

Almost no body is ever cancelled, so the ordinary one (on a thread, without time limits) pays two operations on a dict,
and what interrupts it is made when it is needed. The handshake is who takes the entry out: the body's thread at the end
of the body, or the canceller, who then, and only then, may send an exception, and whom the body's thread waits for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pynenc._execute.execution import body_limit
from pynenc._execute.thread_limits import BodyLimit
from pynenc._execute.timer import keep_time
from pynenc._kernel.runtime import runtime_of
from pynenc._wait.target import claim_of, set_limit, thread_of

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._execute.coroutine_limits import CoroutineLimit
    from pynenc._execute.hooks import BodyHooks
    from pynenc.invocation.dist_invocation import DistributedInvocation

    Limit = BodyLimit | CoroutineLimit


class Bodies:
    """Running bodies of one runner, by id of the invocation."""

    __slots__ = ("_guarded", "_hooks", "_late", "early", "plain")

    def __init__(self, hooks: BodyHooks) -> None:
        self._hooks = hooks
        self.plain: dict[str, DistributedInvocation[Any, Any]] = {}
        """Bodies on threads, without limits; each sets its `_thread` before it is put in."""
        self._guarded: dict[str, tuple[_core.Claim, Limit]] = {}
        self._late: dict[str, BodyLimit] = {}
        self.early: dict[str, float] = {}
        """Bodies that were cancelled before they began, with the grace that they get. Almost always empty."""

    def clear(self) -> None:
        """Forget the bodies of an earlier run."""
        for bodies in (self.plain, self._guarded, self._late, self.early):
            bodies.clear()

    def guard(self, claim: _core.Claim, limit: Limit) -> None:
        """A body is about to begin that `limit` can interrupt."""
        self._guarded[claim.invocation_id] = (claim, limit)
        if claim.invocation_id in self.early:
            self.cancel(claim.invocation_id, self.early[claim.invocation_id])

    def unguard(self, claim: _core.Claim) -> None:
        """It has ended."""
        self._guarded.pop(claim.invocation_id, None)
        if self.early:
            self.early.pop(claim.invocation_id, None)

    def end_late(self, invocation_id: str) -> None:
        """On the thread of a plain body that a canceller has taken out: no exception comes after this. Idempotent."""
        self.early.pop(invocation_id, None)
        late = self._late.get(invocation_id)
        if late is not None:
            late.finish()
            self._late.pop(invocation_id, None)

    def thread_of(self, invocation_id: str) -> int | None:
        """Identifier of the thread of a body that is being given up; None for a coroutine on a loop."""
        guarded = self._guarded.get(invocation_id)
        limit = self._late.get(invocation_id) if guarded is None else guarded[1]
        return limit.thread if isinstance(limit, BodyLimit) else None

    def cancel(self, invocation_id: str, grace_sec: float) -> bool:
        """Interrupt the body, or remember to when it begins; whether it runs here. From any thread.

        Raises:
            RuntimeError: the system has no thread left for it. Nothing happened, so it can be tried again.
        """
        # This thread and the thread of the body both write first and look then, so that the second one sees the first.
        self.early[invocation_id] = grace_sec
        guarded = self._guarded.get(invocation_id)
        if guarded is not None:
            claim, limit = guarded
            if isinstance(limit, BodyLimit):
                keep_time()
                self._hooks.limit_begins(claim, grace_sec, grace_sec)
                if self._guarded.get(invocation_id) is not guarded:
                    # It has just ended, perhaps before the line above.
                    self._hooks.limit_ends(claim)
            limit.cancel(grace_sec)
            return True
        invocation = self.plain.get(invocation_id)
        owned = None if invocation is None else claim_of(invocation)
        if invocation is None or owned is None:
            return False
        keep_time()
        late = body_limit(runtime_of(invocation.app), owned, self._hooks, None, thread=thread_of(invocation))
        with late.held():
            self._late[invocation_id] = late
            if self.plain.pop(invocation_id, None) is None:
                # It has just ended.
                self._late.pop(invocation_id, None)
                self.early.pop(invocation_id, None)
                return False
            set_limit(invocation, late)
            self._hooks.limit_begins(owned, grace_sec, grace_sec)
            late.cancel_at_once(grace_sec)
        return True
