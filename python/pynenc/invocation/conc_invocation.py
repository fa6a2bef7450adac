"""Dev mode: invocations whose body runs in the caller, without a store and without a runner."""

from __future__ import annotations

import contextvars
import inspect
import threading
import time
from typing import TYPE_CHECKING, Any, Generic

from pynenc import context
from pynenc._engine import calls
from pynenc._kernel.runtime import runtime_of
from pynenc._kernel.shapes import signature_of
from pynenc.call import Call
from pynenc.exceptions import InvocationCancelledError, InvocationError
from pynenc.identifiers import InvocationId
from pynenc.invocation._dev_changes import BEGUN, StatusChanges
from pynenc.invocation.base_invocation import BaseInvocation, checked_timeout, raisable
from pynenc.invocation.status import InvocationStatus
from pynenc.types import Params, Result
from pynenc.util.coroutines import complete, running_loop
from pynenc.util.texts import describe
from pynenc.util.tracebacks import from_their_code

if TYPE_CHECKING:
    import asyncio

_UNSET: Any = object()

_waited_for: contextvars.ContextVar[tuple[ConcurrentInvocation[Any, Any], ...]] = contextvars.ContextVar(
    "pynenc_dev_waited_for", default=()
)
"""The invocations whose bodies run around this code: each waits for the next, so none may be waited for in here."""


class ConcurrentInvocation(StatusChanges, BaseInvocation[Params, Result], Generic[Params, Result]):
    """One call in dev mode. The body runs once, when the call is made; its value or exception stays.

    The body runs in the calling thread. While an event loop runs there, a coroutine runs on that loop, and the call
    waits for any other body, which runs on a thread of its own. Retriable exceptions are retried at once, `max_retries`
    times. Arguments, result and exception are encoded and decoded as they would be on their way through a store.
    Picklable, except while the body runs: a copy has the outcome, or runs the body itself.

    Args:
        call: the task and its arguments.

    Example:
        >>> dev = Pynenc("dev", {"dev_mode_force_sync_tasks": True})
        >>> @dev.task
        ... def double(x: int) -> int:
        ...     return 2 * x
        >>> double(21).result
        42
    """

    in_store = False

    __slots__ = (
        "__weakref__",
        "_body",
        "_call_made",
        "_cancelled",
        "_changes",
        "_ended",
        "_error",
        "_lock",
        "_loop",
        "_outcome",
        "_parent",
        "_parent_id",
        "_payload",
        "_retries",
        "_value",
        "app",
        "body_ended",
        "invocation_id",
    )

    def __init__(self, call: Call[Params, Result]) -> None:
        self._call_made = call
        self.app = call.task.app
        self.invocation_id = InvocationId(calls.new_invocation_id())
        self._parent = context.invocation_of(self.app)
        self._parent_id = None if self._parent is None else self._parent.invocation_id
        self._lock = threading.Lock()
        self._ended = threading.Event()
        """Set while no body runs, after one has run."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._body: asyncio.Task[None] | None = None
        """The body, where it runs as a task on `_loop`."""
        self._retries = 0
        self._changes = [(InvocationStatus.REGISTERED, time.time())]
        self._payload: bytes | None = None
        """The encoded arguments; None before they are."""
        self._outcome: bytes | None = None
        """The encoded result or exception."""
        self._value: Any = _UNSET
        self._cancelled = False
        self.body_ended = False
        self._error: BaseException | None = None
        """The exception of the body, unchanged."""

    @property
    def call(self) -> Call[Params, Result]:
        return self._call_made

    @property
    def status(self) -> InvocationStatus:
        """`running` while the body runs, then final; `registered` again if an event loop ended before the body had."""
        return self._status

    @property
    def num_retries(self) -> int:
        return self._retries

    @property
    def parent_invocation(self) -> BaseInvocation[Any, Any] | None:
        return self._parent

    @property
    def parent_invocation_id(self) -> InvocationId | None:
        return self._parent_id

    def get_result(self, timeout: float | None = None) -> Result:
        """Return the result; run the body first if it has not run.

        Blocks until the body has ended.

        Args:
            timeout: accepted and checked; it does not interrupt the body.
        Returns:
            What the task returned.
        Raises:
            InvocationError: the caller waits for its own result, or for a body that runs on the event loop of this
                thread.
            InvocationCancelledError: it was cancelled.
            Exception: the exception of the task.
        """
        checked_timeout(timeout)
        while not self._status.is_final():
            self._refuse_own()
            if self._begin():
                # A separate context, so that no variable set in the body leaks into the caller.
                contextvars.copy_context().run(self._run)
                if isinstance(self._error, KeyboardInterrupt):
                    raise self._error
            elif self._loop is not None and self._loop is running_loop():
                raise InvocationError(
                    self.invocation_id,
                    f"invocation {self.invocation_id} runs on this event loop, which waiting would block: await it",
                )
            else:
                self._ended.wait()
        return self.get_final_result()

    def get_final_result(self) -> Result:
        if not self._status.is_final():
            raise InvocationError(
                self.invocation_id, f"invocation {self.invocation_id} is not finished: {self._status}"
            )
        if self._status is InvocationStatus.CANCELLED:
            raise InvocationCancelledError(
                self.invocation_id, f"invocation {self.invocation_id} ended as {self._status}: it was cancelled"
            )
        if self._status is InvocationStatus.FAILED:
            raise raisable(self.get_exception()) from self._error
        if self._value is _UNSET:
            self._value = runtime_of(self.app).codec.decode_result(self.task, self._outcome, str(self.invocation_id))
        return self._value  # type: ignore[no-any-return]

    def get_exception(self) -> BaseException:
        """Return the exception of the body, as another process would receive it.

        Returns:
            The decoded exception.
        Raises:
            InvocationError: the body raised none.
        """
        if self._status is not InvocationStatus.FAILED or self._outcome is None:
            raise InvocationError(self.invocation_id, f"it has no exception: it ended as {self._status}")
        return runtime_of(self.app).codec.decode_exception(self.task, self._outcome, str(self.invocation_id))

    def start(self) -> None:
        """Run the body, as a call does. Without effect if the body runs or has run.

        Blocks until the body has ended, unless it is a coroutine and an event loop runs in this thread.

        Raises:
            KeyboardInterrupt: the body was interrupted. Any other exception of the body is kept for `get_result`.
        """
        if not self._begin():
            return
        loop = running_loop()
        if loop is not None and inspect.iscoroutinefunction(self.task.func):
            self._run_on(loop)
        elif loop is not None:
            # The body may start its own loop, which needs a thread without one.
            thread = threading.Thread(target=contextvars.copy_context().run, args=(self._run,))
            thread.start()
            thread.join()
        else:
            contextvars.copy_context().run(self._run)
        if isinstance(self._error, KeyboardInterrupt):
            raise self._error

    def cancel(self) -> bool:
        """Withdraw the invocation if its body has not begun; cancel a coroutine that runs.

        No other body can be interrupted. Does not wait for the body.

        Returns:
            False if the invocation had finished already, else True.
        """
        with self._lock:
            if self._status.is_final():
                return False
            if self._status is InvocationStatus.REGISTERED:
                self._become(InvocationStatus.CANCELLED)
                self._ended.set()
                return True
            self._cancelled = True
            loop, body = self._loop, self._body
        if loop is not None and body is not None:
            loop.call_soon_threadsafe(body.cancel)
        return True

    async def async_result(self) -> Result:
        """Wait for the result without blocking the event loop.

        A coroutine body runs on this loop, any other body on a thread. Cancelling the awaiting task (`asyncio.timeout`,
        `wait_for`) ends the wait, not the body.

        Returns:
            What the task returned.
        Raises:
            Exception: as `get_result` raises.
        """
        import asyncio

        if not inspect.iscoroutinefunction(self.task.func):
            return await asyncio.to_thread(self.get_result)
        while not self._status.is_final():
            self._refuse_own()
            if self._begin():
                self._run_on(asyncio.get_running_loop())
            body = self._body
            if body is not None and self._loop is asyncio.get_running_loop():
                # Not `await body`: that would pass a cancellation on.
                await asyncio.wait([body])
            else:
                await asyncio.to_thread(self._ended.wait)
        return self.get_final_result()

    def _begin(self) -> bool:
        """Let the caller run the body; return False if another thread runs it, or it has run."""
        with self._lock:
            if self._status is not InvocationStatus.REGISTERED:
                return False
            self._become(*BEGUN)
            self._ended.clear()
            return True

    def _run_on(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._body = loop.create_task(self._run_coroutine())
        # An invocation that is cancelled before it begins runs nothing, not even code that would end it.
        self._body.add_done_callback(lambda body: self._end())

    def _end(self) -> None:
        """Mark the end of the body; a body without an outcome may run again."""
        with self._lock:
            self._loop = self._body = None
            if not self._status.is_final():
                self._become(InvocationStatus.CANCELLED if self._cancelled else InvocationStatus.REGISTERED)
        self._ended.set()

    def _refuse_own(self) -> None:
        if self in _waited_for.get():
            raise InvocationError(self.invocation_id, f"invocation {self.invocation_id} waits for its own result")

    def _run(self) -> None:
        _waited_for.set((*_waited_for.get(), self))
        try:
            with context.enter_invocation(self, None):
                again = True
                while again:
                    try:
                        args, kwargs = self._decoded()
                        value: Any = self.task.func(*args, **kwargs)
                        again = self._succeeded(complete(value) if inspect.iscoroutine(value) else value)
                    except BaseException as error:
                        again = self._raised(error)
        finally:
            self._end()

    async def _run_coroutine(self) -> None:
        import asyncio

        _waited_for.set((*_waited_for.get(), self))
        with context.enter_invocation(self, None):
            again = True
            while again:
                try:
                    args, kwargs = self._decoded()
                    coroutine: Any = self.task.func(*args, **kwargs)
                    again = self._succeeded(await coroutine)
                except asyncio.CancelledError as error:
                    body = asyncio.current_task()
                    if body is not None and body.cancelling():
                        # Cancelled, or the loop ends before the body has: no outcome.
                        raise
                    again = self._raised(error)
                except BaseException as error:
                    again = self._raised(error)

    def payload(self) -> bytes:
        """Return the arguments as a store would keep them.

        Returns:
            The encoded arguments.
        """
        if self._payload is None:
            self._payload = runtime_of(self.app).codec.encode_arguments(self.task, self.arguments.passed)
        return self._payload

    @property
    def outcome(self) -> bytes | None:
        """The encoded result or exception; None if there is none."""
        return self._outcome

    def _decoded(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments as another process would receive them."""
        codec = runtime_of(self.app).codec
        if self._payload is None:
            plain = codec.write_arguments(self.task, self.arguments.passed)
            return signature_of(self.task).spread(codec.read_arguments(self.task, plain))
        return signature_of(self.task).spread(codec.decode_arguments(self.task, self._payload, str(self.invocation_id)))

    def _succeeded(self, value: Any) -> bool:
        try:
            self._outcome = runtime_of(self.app).codec.encode_result(self.task, value, str(self.invocation_id))
        except Exception as error:
            return self._failed(error)
        self._become(InvocationStatus.SUCCESS)
        return False

    def _raised(self, error: BaseException) -> bool:
        """Whether to run it again."""
        if self._retries < self.task.conf.max_retries and isinstance(error, tuple(self.task.retriable_exceptions)):
            self._retries += 1
            self._become(InvocationStatus.RETRY, *BEGUN)
            return True
        return self._failed(error)

    def _failed(self, error: BaseException) -> bool:
        self._outcome = runtime_of(self.app).codec.encode_exception(self.task, error, str(self.invocation_id))
        # The shown traceback begins in the code of the body.
        self._error = error.with_traceback(from_their_code(error.__traceback__))
        self._become(InvocationStatus.FAILED)
        # The result may never be read.
        self.app.logger.error("task %s failed: %s", self.task.task_id, describe(error), exc_info=self._error)
        return False

    def __reduce__(self) -> tuple[Any, ...]:
        if self._status is InvocationStatus.RUNNING:
            raise TypeError(
                f"invocation {self.invocation_id} cannot be pickled while its body runs: in dev mode its outcome stays "
                "in this process. Pickle it before or afterwards, or pass its id."
            )
        # Not the parent: its body runs, as a rule.
        outcome = (self.changes(), self._retries, self._outcome)
        return (_restore, (self._call_made, str(self.invocation_id), self._parent_id, outcome))


SynchronousInvocation = ConcurrentInvocation
"""The name of `ConcurrentInvocation` in pynenc 0.0.16."""


def _restore(
    call: Call[Any, Any],
    invocation_id: str,
    parent_id: InvocationId | None,
    outcome: tuple[list[tuple[InvocationStatus, float]], int, bytes | None],
) -> ConcurrentInvocation[Any, Any]:
    invocation: ConcurrentInvocation[Any, Any] = ConcurrentInvocation(call)
    invocation.invocation_id = InvocationId(invocation_id)
    invocation._parent, invocation._parent_id = None, parent_id
    invocation._changes, invocation._retries, invocation._outcome = outcome
    return invocation


def __getattr__(name: str) -> Any:
    """Return a name whose module imports this one."""
    if name in ("ConcurrentInvocationGroup", "SynchronousInvocationGroup"):
        from pynenc.invocation.conc_group import ConcurrentInvocationGroup

        return ConcurrentInvocationGroup
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
