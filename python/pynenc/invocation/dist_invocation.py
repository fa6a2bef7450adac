"""An invocation in the store: submitted by any process, run by the runner that claims it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Generic

from pynenc._identity.runner_context import RunnerContext
from pynenc._kernel.runtime import runtime_of
from pynenc._wait.report import late
from pynenc._wait.target import Target
from pynenc._wait.threads import missing, wait_outcomes
from pynenc.arguments import Arguments
from pynenc.call import Call
from pynenc.exceptions import (
    InvocationAbandonedError,
    InvocationCancelledError,
    InvocationConcurrencyControlledError,
    InvocationError,
    InvocationNotFoundError,
    SignatureError,
)
from pynenc.identifiers import InvocationId
from pynenc.invocation.base_invocation import BaseInvocation, checked_timeout, raisable
from pynenc.invocation.dto import InvocationDTO
from pynenc.invocation.status import InvocationStatus
from pynenc.types import Params, Result

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc.app import Pynenc
    from pynenc.task import Task

_UNSET: Any = object()


class DistributedInvocation(BaseInvocation[Params, Result], Target, Generic[Params, Result]):
    """One invocation in the store, named by its id. Making the object reads nothing: each member reads what it needs.

    Picklable: the pickle holds the id, and the claim if a runner handed the object out.

    Args:
        app: the app on whose store the invocation is.
        invocation_id: the id; it is not checked before the first use.
        task: the task that was called; None reads it from the store when it is needed.
        call: the call, instead of `task`.
        claim: the ownership that lets this process run the invocation; a runner gets it from the orchestrator.
        parent_id: id of the calling invocation, if it is known.

    Example:
        >>> invocation = add(1, 2)
        >>> invocation.result
        3
        >>> str(invocation.status), invocation.arguments.kwargs
        ('success', {'x': 1, 'y': 2})
    """

    in_store = True

    __slots__ = (
        "__weakref__",
        "_call",
        "_claim",
        "_depth",
        "_kwargs",
        "_limit",
        "_parent_id",
        "_record",
        "_task",
        "_terminal",
        "_thread",
        "_value",
        "app",
        "body_ended",
        "invocation_id",
    )

    def __init__(
        self,
        app: Pynenc,
        invocation_id: str,
        *,
        task: Task[Params, Result] | None = None,
        call: Call[Params, Result] | None = None,
        claim: _core.Claim | None = None,
        parent_id: str | None = None,
    ) -> None:
        self.app = app
        self.invocation_id = InvocationId(invocation_id)
        self._task = task if task is not None or call is None else call.task
        self._call = call
        self._claim = claim
        # The object that can interrupt its body here, or has; and the thread of a body that has not been interrupted.
        self._limit: Any = None
        self._thread = 0
        self._kwargs: dict[str, Any] | None = None
        # _UNSET is "ask the store"; None is "there is none".
        self._parent_id: Any = _UNSET if claim is None and parent_id is None else parent_id
        self._depth = -1 if claim is None else claim.depth
        self._record: _core.Record | None = None
        self._terminal: _core.Terminal | None = None
        self._value: Any = _UNSET
        self.body_ended = False

    def leave_to_parent(self) -> None:
        """Give up the claim and the slot in a process that the body has forked: both stay with the parent."""
        self._claim = None
        if self._limit is not None:
            self._limit.leave_to_parent()
            self._limit = None

    @property
    def task(self) -> Task[Params, Result]:
        """The task that was called. Reads the store if only the id is known; raises `TaskError` for an unknown task."""
        if self._task is None:
            task_id = self._stored().task_id if self._claim is None else self._claim.task_id
            # The invocation has the types that the caller expects, or fails when it is used.
            self._task = self.app.get_task(task_id)
        task: Task[Params, Result] = self._task
        return task

    @property
    def call(self) -> Call[Params, Result]:
        """The task and its arguments. Blocks for one read if another process has made the call."""
        if self._call is None:
            if self._kwargs is not None:
                self._call = Call(self.task, Arguments.of_bound(self._kwargs, self.task))
            else:
                payload = self._stored().payload if self._claim is None else self._claim.payload
                self._call = Call(self.task, payload=payload, invocation_id=self.invocation_id)
        return self._call

    @property
    def num_retries(self) -> int:
        """The number of runs after the first, each for a retriable exception. Reads the store, except in the body."""
        if self._claim is not None:
            return self._claim.retries
        return self._read().retries

    @property
    def parent_invocation_id(self) -> InvocationId | None:
        """The id of the invocation whose body made the call; None for a call from outside. Read at most once."""
        if self._parent_id is _UNSET:
            self._parent_id = self._stored().parent_id
        return None if self._parent_id is None else InvocationId(self._parent_id)

    @property
    def parent_invocation(self) -> DistributedInvocation[Any, Any] | None:
        """The invocation whose body made the call; None for a call from outside."""
        parent_id = self.parent_invocation_id
        return None if parent_id is None else DistributedInvocation(self.app, parent_id)

    @property
    def status(self) -> InvocationStatus:
        """The status now. Blocks for a read of the store; a final status is not read again.

        Raises:
            InvocationNotFoundError: the store has no invocation with this id.
        """
        if self._terminal is not None:
            return InvocationStatus(self._terminal[1])
        try:
            status = InvocationStatus(runtime_of(self.app).store.status(str(self.invocation_id)))
        except (InvocationNotFoundError, ValueError) as error:
            raise missing(runtime_of(self.app), self.invocation_id, error) from None
        if status.is_final():
            self._look()
        return status

    # -- its result ------------------------------------------------------------------------------------------------

    def get_result(self, timeout: float | None = None) -> Result:
        """Wait for the result.

        Blocks the calling thread with the GIL released; the store notifies this process of the end. Inside a body the
        slot of the body is lent out meanwhile, so that waiting bodies cannot fill a runner.

        Args:
            timeout: seconds to wait, from now; None waits without limit, 0 does not wait.
        Returns:
            What the task returned, decoded by its return annotation; the same object each time.
        Raises:
            InvocationTimeoutError: not finished in time (a `TimeoutError`). The invocation goes on, and a later call
                may wait for it again.
            InvocationAbandonedError: the engine gave the invocation up; the message says why.
            InvocationConcurrencyControlledError: concurrency control dropped it, because another invocation held its
                key.
            InvocationCancelledError: it was cancelled, see `cancel`.
            InvocationNotFoundError: no such id; `InvocationExpiredError` if `result_ttl_sec` has passed.
            SignatureError: the app has `signing_keys`, and its arguments or its outcome are not signed for it.
            CycleDetectedError: the invocation waits for the body that makes this call.
            RunnerError: the store is in memory and no runner of the app runs in this process.
            TypeError, ValueError: `timeout` is no number.
            Exception: the exception of the task, with the remote traceback as a note; `RemoteError` if this process
                does not know its class.

        Example:
            >>> add(1, 2).get_result(timeout=10)
            3
        """
        limit = checked_timeout(timeout)
        if self._terminal is None:
            try:
                waiter = runtime_of(self.app).store.waiter([str(self.invocation_id)])
                news = wait_outcomes(runtime_of(self.app), waiter, lambda: [self], limit)
            except (InvocationNotFoundError, ValueError) as error:
                raise missing(runtime_of(self.app), self.invocation_id, error) from None
            if not news:
                raise late(runtime_of(self.app), self, limit or 0.0)
            self._terminal = news[0]
        return self._conclude()

    def get_final_result(self) -> Result:
        """Return the result of a finished invocation. Blocks for a read of the store, not for the body.

        Returns:
            What the task returned.
        Raises:
            InvocationError: the invocation is not finished.
            Exception: as `get_result` raises for a finished invocation.
        """
        if self._terminal is None and not self._look():
            raise InvocationError(self.invocation_id, f"invocation {self.invocation_id} is not finished: {self.status}")
        return self._conclude()

    async def async_result(self) -> Result:
        """Wait for the result without limit and without blocking the event loop; `await invocation` does the same.

        Cancelling the awaiting task (`asyncio.timeout`, `wait_for`) ends the wait, not the invocation.

        Returns:
            What the task returned.
        Raises:
            Exception: as `get_result` raises.

        Example:
            >>> async def main():
            ...     return await add(1, 2)
            >>> asyncio.run(main())
            3
        """
        if self._terminal is None:
            # Imported here: asyncio takes longer to import than all the rest.
            from pynenc._wait.loops import async_outcomes

            try:
                watch = await async_outcomes(runtime_of(self.app), [self])
                try:
                    self._terminal = (await watch.next())[0]
                finally:
                    watch.close()
            except (InvocationNotFoundError, ValueError) as error:
                raise missing(runtime_of(self.app), self.invocation_id, error) from None
        if self._task is None and self._value is _UNSET:
            # The object has only an id: its task must be read, and perhaps imported.
            from pynenc._kernel.submit_pool import off_the_loop

            await off_the_loop(runtime_of(self.app), lambda: self.task)
        return self._conclude()

    def _conclude(self) -> Result:
        """Return the value or the exception of a finished invocation."""
        if self._value is not _UNSET:
            return self._value  # type: ignore[no-any-return]
        terminal = self._terminal
        if terminal is None:
            raise InvocationError(self.invocation_id, f"invocation {self.invocation_id} is not finished")
        _, status, payload, reason = terminal
        try:
            if status == InvocationStatus.SUCCESS:
                self._value = runtime_of(self.app).codec.decode_result(self.task, payload, self.invocation_id)
                return self._value  # type: ignore[no-any-return]
            error = (
                None
                if payload is None
                else runtime_of(self.app).codec.decode_exception(self.task, payload, self.invocation_id)
            )
        except SignatureError:
            # A forged message ends this wait. The next wait asks the store.
            self._terminal = None
            raise
        if error is not None:
            raise raisable(error)
        text = f"invocation {self.invocation_id} ended as {status}" + (f": {reason}" if reason else "")
        if status == InvocationStatus.CONCURRENCY_CONTROLLED_FINAL:
            raise InvocationConcurrencyControlledError(self.invocation_id, text)
        if status == InvocationStatus.CANCELLED:
            raise InvocationCancelledError(self.invocation_id, text)
        raise InvocationAbandonedError(self.invocation_id, text)

    def _look(self) -> bool:
        """Fetch the outcome if it is there."""
        try:
            self._terminal = runtime_of(self.app).store.terminals([str(self.invocation_id)])[0]
        except (InvocationNotFoundError, ValueError) as error:
            raise missing(runtime_of(self.app), self.invocation_id, error) from None
        return self._terminal is not None

    def to_dto(self) -> InvocationDTO:
        """Return the invocation as data. Reads the store for what this object does not know.

        Returns:
            The ids of the invocation, of its call and of its parent.
        """
        return InvocationDTO(self.invocation_id, self.call_id, self.workflow, self.parent_invocation_id)

    def cancel(self) -> bool:
        """Withdraw the invocation, or interrupt its body. Blocks for one write to the store, not until the body ends.

        In the queue it ends as `cancelled` at once. If a runner has claimed it, the store notifies that runner: a body
        on a thread gets a `TaskCancelledError` at its next bytecode, a coroutine is cancelled at its next `await`. A
        body that does not stop within `cancel_grace_sec` is given up as the runner can (see the guide on runners). A
        body that returns or fails before the interrupt keeps its outcome. It never runs again. Invocations that it has
        submitted go on.

        Returns:
            False if the invocation had finished already, else True.
        Raises:
            InvocationNotFoundError: the store has no invocation with this id.

        Example:
            >>> with isolated(shop) as test:
            ...     invocation = pack(7)
            ...     invocation.cancel(), str(invocation.status)
            (True, 'cancelled')
        """
        try:
            return runtime_of(self.app).store.cancel(str(self.invocation_id), claimed=True) != "finished"
        except (InvocationNotFoundError, ValueError) as error:
            raise missing(runtime_of(self.app), self.invocation_id, error) from None

    # -- for runners -----------------------------------------------------------------------------------------------

    def run(self, *runner: Any, runner_args: dict[str, Any] | None = None, runner_ctx: Any = None) -> None:
        """Run the body on the calling thread and record its outcome. For runners.

        The object must come from `app.orchestrator.get_invocations_to_run`. Blocks until the body has ended. An
        exception of the body is recorded and not raised here.

        Args:
            *runner: the arguments by position: `run(runner_args)`, or `run(runner_ctx, runner_args)` as in pynenc 0.4.
            runner_args: passed on to `waiting_for_results` when the body waits.
            runner_ctx: accepted for runners written for pynenc 0.4; the owner of the claim runs the body.
        Raises:
            RunnerError: this process does not own the invocation.
            TypeError: more than two arguments, or `runner_args` both by position and by name.
        """
        with_context = bool(runner) and isinstance(runner[0], RunnerContext)
        given = len(runner) + (runner_args is not None) + (runner_ctx is not None)
        if given > 2 or (runner and not with_context and runner_args is not None):
            raise TypeError(
                f"run() takes runner_args, or runner_ctx and runner_args, each once; got {len(runner)} more"
            )
        if len(runner) == 2 or (runner and not with_context):
            runner_args = runner[-1]
        runtime_of(self.app).from_above.run_claimed(self, runner_args)

    @property
    def depth(self) -> int:
        """The number of invocations above this one: 0 for a call from outside."""
        if self._depth < 0:
            self._depth = self._stored().depth
        return self._depth

    def _stored(self) -> _core.Record:
        """Return the record in the store, which is read once for its constant fields."""
        if self._record is None:
            self._record = self._read()
        return self._record

    def _read(self) -> _core.Record:
        try:
            return runtime_of(self.app).store.get(str(self.invocation_id))
        except (InvocationNotFoundError, ValueError) as error:
            raise missing(runtime_of(self.app), self.invocation_id, error) from None

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self.app, str(self.invocation_id), self._claim))


TaskInvocation = DistributedInvocation
"""pynenc's name for the invocation of a task that is no workflow: every invocation, in this build."""


def __getattr__(name: str) -> Any:
    """Return a name whose module imports this one."""
    modules = {"DistributedInvocationGroup": "dist_group", "ReusedInvocation": "kinds", "WorkflowInvocation": "kinds"}
    if name not in modules:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"pynenc.invocation.{modules[name]}"), name)


def _restore(app: Pynenc, invocation_id: str, claim: _core.Claim | None) -> DistributedInvocation[Any, Any]:
    return DistributedInvocation(app, invocation_id, claim=claim)
