"""An invocation in the store: submitted here or elsewhere, run by whichever runner claims it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, cast

from pynenc import _core
from pynenc._wait import missing, wait_outcomes
from pynenc._wait_report import unfinished
from pynenc.arguments import Arguments
from pynenc.call import Call
from pynenc.exceptions import (
    InvocationAbandonedError,
    InvocationCancelledError,
    InvocationConcurrencyControlledError,
    InvocationError,
    InvocationNotFoundError,
    InvocationTimeoutError,
    SignatureError,
)
from pynenc.identifiers import CallId, InvocationId
from pynenc.invocation.base_invocation import BaseInvocation, checked_timeout, raisable
from pynenc.invocation.status import InvocationStatus
from pynenc.types import Params, Result

if TYPE_CHECKING:
    from pynenc._execute.limits import BodyLimit
    from pynenc.app import Pynenc
    from pynenc.task import Task
    from pynenc.workflow import WorkflowIdentity

_UNSET: Any = object()


class DistributedInvocation(BaseInvocation[Params, Result], Generic[Params, Result]):
    """Names one invocation. Making one reads nothing; what the store knows of it is read when asked for.

    Picklable: what travels is the id (and the claim, if a runner handed it out).
    """

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
        """
        Args:
            claim: the ownership that lets this process run it; set by what hands it out to a runner.
            parent_id: id of the calling invocation, if the caller has it at hand.
        """
        self.app = app
        self.invocation_id = InvocationId(invocation_id)
        self._task = task if task is not None or call is None else call.task
        self._call = call
        self._claim = claim
        # What can interrupt its body here, or has; and the thread of a body that nothing has interrupted yet.
        self._limit: BodyLimit | None = None
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
        """In a process that its body has forked: the claim and the slot stay with the parent."""
        self._claim = None
        if self._limit is not None:
            self._limit.leave_to_parent()
            self._limit = None

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def task(self) -> Task[Params, Result]:
        """The task that was called. `TaskError` if this process cannot find it."""
        if self._task is None:
            task_id = self._stored().task_id if self._claim is None else self._claim.task_id
            # What the id names has the types that the caller expects of it, or fails when it is used.
            self._task = cast("Task[Params, Result]", self.app.get_task(task_id))
        return self._task

    @property
    def call(self) -> Call[Params, Result]:
        """The task and its arguments; read from the store if it was submitted elsewhere."""
        if self._call is None:
            if self._kwargs is not None:
                self._call = Call(self.task, Arguments.of_bound(self._kwargs, self.task))
            else:
                payload = self._stored().payload if self._claim is None else self._claim.payload
                self._call = Call(self.task, payload=payload, invocation_id=self.invocation_id)
        return self._call

    @property
    def num_retries(self) -> int:
        """How often the body was run again after a retriable exception; inside the body, before this attempt."""
        if self._claim is not None:
            return self._claim.retries
        return self._read().retries

    @property
    def parent_invocation_id(self) -> InvocationId | None:
        """Id of the invocation in whose body the call was made; None for a call from outside."""
        if self._parent_id is _UNSET:
            self._parent_id = self._stored().parent_id
        return None if self._parent_id is None else InvocationId(self._parent_id)

    @property
    def parent_invocation(self) -> DistributedInvocation[Any, Any] | None:
        """The invocation in whose body the call was made; None for a call from outside."""
        parent_id = self.parent_invocation_id
        return None if parent_id is None else DistributedInvocation(self.app, parent_id)

    @property
    def status(self) -> InvocationStatus:
        """The status now; once final, without asking the store again. Raises `InvocationNotFoundError`."""
        if self._terminal is not None:
            return InvocationStatus(self._terminal[1])
        try:
            status = InvocationStatus(self.app._store.status(str(self.invocation_id)))
        except (InvocationNotFoundError, ValueError) as error:
            raise missing(self.app, self.invocation_id, error) from None
        if status.is_final():
            self._look()
        return status

    # -- its result ------------------------------------------------------------------------------------------------

    def get_result(self, timeout: float | None = None) -> Result:
        """Wait for the result at most `timeout` seconds from now; None waits without limit, 0 only looks.

        Blocks the calling thread with the GIL released and polls nothing. Inside a body its slot is lent out meanwhile.

        Returns:
            What the task returned, decoded by its return annotation; the same object each time.
        Raises:
            InvocationTimeoutError: not finished in time (a `TimeoutError`); it goes on, and can be waited for again.
            InvocationAbandonedError: the engine gave it up; the message says why.
            InvocationConcurrencyControlledError: dropped, because another one held its key.
            InvocationCancelledError: cancelled, see `cancel`.
            InvocationNotFoundError: no such id; `InvocationExpiredError` if its result was kept for `result_ttl_sec`.
            SignatureError: the app has `signing_keys`, and its arguments or its outcome are not signed for it.
            CycleDetectedError: it waits for the invocation whose body asks.
            RunnerError: the store is in memory and nothing in this process runs it.
            TypeError, ValueError: the timeout is no number.
            Exception: whatever the task raised, with the remote traceback as a note; `RemoteError` if its class is
                not known here.
        """
        limit = checked_timeout(timeout)
        if self._terminal is None:
            try:
                waiter = self.app._store.waiter([str(self.invocation_id)])
                news = wait_outcomes(self.app, waiter, lambda: [self], limit)
            except (InvocationNotFoundError, ValueError) as error:
                raise missing(self.app, self.invocation_id, error) from None
            if not news:
                raise InvocationTimeoutError(unfinished(self.app, self, limit or 0.0))
            self._terminal = news[0]
        return self._conclude()

    def get_final_result(self) -> Result:
        """The result without waiting. Raises `InvocationError` if it is not finished, else as `get_result`."""
        if self._terminal is None and not self._look():
            raise InvocationError(self.invocation_id, f"invocation {self.invocation_id} is not finished: {self.status}")
        return self._conclude()

    async def async_result(self) -> Result:
        """The same as `get_result()` without a timeout, and without blocking the event loop.

        Cancelling the awaiting task (`asyncio.timeout`, `wait_for`) ends the wait, not the invocation.
        """
        if self._terminal is None:
            # Imported here: asyncio takes longer to import than all the rest.
            from pynenc._async_wait import async_outcomes

            try:
                watch = await async_outcomes(self.app, [self])
                try:
                    self._terminal = (await watch.next())[0]
                finally:
                    watch.close()
            except (InvocationNotFoundError, ValueError) as error:
                raise missing(self.app, self.invocation_id, error) from None
        if self._task is None and self._value is _UNSET:
            # Known by its id alone: which task it is has to be read, and perhaps imported.
            from pynenc._async_submit import off_the_loop

            await off_the_loop(self.app, lambda: self.task)
        return self._conclude()

    def _conclude(self) -> Result:
        """The value or the exception of what is finished."""
        if self._value is not _UNSET:
            return self._value  # type: ignore[no-any-return]
        terminal = self._terminal
        if terminal is None:
            raise InvocationError(self.invocation_id, f"invocation {self.invocation_id} is not finished")
        _, status, payload, reason = terminal
        try:
            if status == InvocationStatus.SUCCESS:
                self._value = self.app._codec.decode_result(self.task, payload, self.invocation_id)
                return self._value  # type: ignore[no-any-return]
            error = (
                None if payload is None else self.app._codec.decode_exception(self.task, payload, self.invocation_id)
            )
        except SignatureError:
            # A forged message ends this wait. The next one asks the store, which may know better.
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
        """Fetch the outcome if there is one."""
        try:
            self._terminal = self.app._store.terminals([str(self.invocation_id)])[0]
        except (InvocationNotFoundError, ValueError) as error:
            raise missing(self.app, self.invocation_id, error) from None
        return self._terminal is not None

    def to_dto(self) -> InvocationDTO:
        """It as data; reads the store for what is not at hand."""
        return InvocationDTO(self.invocation_id, self.call_id, self.workflow, self.parent_invocation_id)

    def cancel(self) -> bool:
        """Withdraw it, or have its body interrupted. Blocks for one write to the store; does not wait for the body.

        In the queue it ends as `cancelled` at once. If a runner has it, that runner is told: on a thread the body gets
        a `TaskCancelledError` at its next bytecode, a coroutine is cancelled at its next `await`; what does not stop
        within `cancel_grace_sec` is given up as the runner can (see the guide on runners). A body that returns or fails
        before it is interrupted keeps its outcome. In no case does it run again. What it has submitted goes on.

        Returns:
            False if it had finished already, else True.
        Raises:
            InvocationNotFoundError: no such id.
        """
        try:
            return self.app._store.cancel(str(self.invocation_id), claimed=True) != "finished"
        except (InvocationNotFoundError, ValueError) as error:
            raise missing(self.app, self.invocation_id, error) from None

    # -- for runners -----------------------------------------------------------------------------------------------

    def run(self, *runner: Any, runner_args: dict[str, Any] | None = None, runner_ctx: Any = None) -> None:
        """Run it here and now, on the calling thread: for runners, with what `get_invocations_to_run` has handed out.

        Never raises what the body raises. Called as `run(runner_args)`, or as `run(runner_ctx, runner_args)`.

        Args:
            runner_args: passed on to `waiting_for_results`.
            runner_ctx: accepted for runners written for pynenc 0.4: who runs it is who has claimed it.

        Raises:
            RunnerError: this process does not own it.
            TypeError: more than two arguments, or `runner_args` both by position and by name.
        """
        from pynenc._execute.execution import run_claimed
        from pynenc.runner.runner_context import RunnerContext

        with_context = bool(runner) and isinstance(runner[0], RunnerContext)
        given = len(runner) + (runner_args is not None) + (runner_ctx is not None)
        if given > 2 or (runner and not with_context and runner_args is not None):
            raise TypeError(
                f"run() takes runner_args, or runner_ctx and runner_args, each once; got {len(runner)} more"
            )
        if len(runner) == 2 or (runner and not with_context):
            runner_args = runner[-1]
        run_claimed(self, runner_args)

    # -- underneath ------------------------------------------------------------------------------------------------

    @property
    def depth(self) -> int:
        """How many invocations are above it."""
        if self._depth < 0:
            self._depth = self._stored().depth
        return self._depth

    def _stored(self) -> _core.Record:
        """What the store has of it, read once: for what never changes."""
        if self._record is None:
            self._record = self._read()
        return self._record

    def _read(self) -> _core.Record:
        try:
            return self.app._store.get(str(self.invocation_id))
        except (InvocationNotFoundError, ValueError) as error:
            raise missing(self.app, self.invocation_id, error) from None

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self.app, str(self.invocation_id), self._claim))


class ReusedInvocation(DistributedInvocation[Params, Result], Generic[Params, Result]):
    """The answer to a call that registration concurrency did not let in: the invocation that was there already."""

    __slots__ = ("diff_arg",)

    diff_arg: Arguments | None
    """The arguments of the call that was not made, if they differ from those of this invocation."""


TaskInvocation = DistributedInvocation
"""The invocation of a task that is no workflow: every one, in this build."""


class WorkflowInvocation(DistributedInvocation[Params, Result], Generic[Params, Result]):
    """The invocation of a workflow. There are none, so no invocation is one; making one raises `NotOfferedError`."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        from pynenc.workflow.exceptions import not_offered

        raise not_offered("WorkflowInvocation(…)")


@dataclass(frozen=True)
class InvocationDTO:
    """An invocation as data."""

    invocation_id: InvocationId
    call_id: CallId
    workflow: WorkflowIdentity | None = None
    parent_invocation_id: InvocationId | None = None
    parent_event_id: str | None = None


def submitted(
    cls: type[DistributedInvocation[Params, Result]],
    task: Task[Params, Result],
    invocation_id: str,
    kwargs: dict[str, Any],
    parent_id: str | None,
    depth: int,
) -> DistributedInvocation[Params, Result]:
    """The invocation of a call just submitted from here."""
    invocation = cls(task.app, invocation_id, task=task)
    invocation._kwargs = kwargs
    invocation._parent_id = parent_id
    invocation._depth = depth
    return invocation


def __getattr__(name: str) -> Any:
    """`DistributedInvocationGroup`, which has a module of its own that imports this one."""
    if name == "DistributedInvocationGroup":
        from pynenc.invocation.dist_group import DistributedInvocationGroup

        return DistributedInvocationGroup
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _restore(app: Pynenc, invocation_id: str, claim: _core.Claim | None) -> DistributedInvocation[Any, Any]:
    return DistributedInvocation(app, invocation_id, claim=claim)
