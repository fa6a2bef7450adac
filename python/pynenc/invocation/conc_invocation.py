"""Dev mode: invocations whose body runs in the caller, with no store and no runner."""

from __future__ import annotations

import contextvars
import inspect
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from typing import Any, Generic

from pynenc import _core, context
from pynenc.call import Call
from pynenc.exceptions import InvocationError
from pynenc.identifiers import InvocationId
from pynenc.invocation.base_invocation import BaseInvocation, BaseInvocationGroup, raisable
from pynenc.invocation.status import InvocationStatus
from pynenc.types import Params, Result


class ConcurrentInvocation(BaseInvocation[Params, Result], Generic[Params, Result]):
    """Runs its body in the calling thread when the result is first asked for. Runs it once: value and exception stay.

    Retriable exceptions are retried at once, `max_retries` times. Arguments and result do not travel, so they are the
    objects themselves.
    """

    __slots__ = (
        "__weakref__",
        "_call_made",
        "_error",
        "_lock",
        "_parent",
        "_retries",
        "_status",
        "_value",
        "app",
        "invocation_id",
    )

    def __init__(self, call: Call[Params, Result]) -> None:
        self._call_made = call
        self.app = call.app
        self.invocation_id = InvocationId(_core.new_invocation_id())
        self._parent = context.invocation_of(call.app)
        self._lock = threading.RLock()
        self._retries = 0
        self._status = InvocationStatus.REGISTERED
        self._value: Any = None
        self._error: BaseException | None = None

    @property
    def call(self) -> Call[Params, Result]:
        """The task and its arguments."""
        return self._call_made

    @property
    def status(self) -> InvocationStatus:
        """`registered` until its result is asked for, then `running`, then final."""
        return self._status

    @property
    def num_retries(self) -> int:
        """How often the body was run again; inside the body, before this attempt."""
        return self._retries

    @property
    def parent_invocation(self) -> BaseInvocation[Any, Any] | None:
        """The invocation in whose body the call was made; None for a call from outside."""
        return self._parent

    @property
    def parent_invocation_id(self) -> InvocationId | None:
        """Its id."""
        return None if self._parent is None else self._parent.invocation_id

    def get_result(self, timeout: float | None = None) -> Result:
        """Run the body if it has not run; the value, or its exception raised. `timeout` has no effect: nothing waits.

        Raises:
            InvocationError: it is asked for its own result while it runs.
        """
        with self._lock:
            if not self._status.is_final():
                self._begin()
                # A context of its own, so that nothing set in the body leaks into the caller.
                contextvars.copy_context().run(self._run)
        return self.get_final_result()

    def get_final_result(self) -> Result:
        """The value, or the exception raised. `InvocationError` if the body has not run."""
        if not self._status.is_final():
            raise InvocationError(
                self.invocation_id, f"invocation {self.invocation_id} is not finished: {self._status}"
            )
        if self._error is not None:
            raise raisable(self._error)
        return self._value  # type: ignore[no-any-return]

    async def async_result(self) -> Result:
        """The same as `result`: a coroutine body runs on this loop, any other on a thread."""
        import asyncio

        if inspect.iscoroutinefunction(self.task.func) and not self._status.is_final():
            self._begin()
            await asyncio.create_task(self._run_coroutine())
            return self.get_final_result()
        return await asyncio.to_thread(self.get_result)

    def _begin(self) -> None:
        if self._status is InvocationStatus.RUNNING:
            raise InvocationError(self.invocation_id, f"invocation {self.invocation_id} waits for its own result")
        self._status = InvocationStatus.RUNNING

    def _run(self) -> None:
        args, kwargs = self.task._apply(self.arguments.kwargs)
        with context.enter_invocation(self, None):
            again = True
            while again:
                try:
                    value: Any = self.task.func(*args, **kwargs)
                    again = self._succeeded(_complete(value) if inspect.iscoroutine(value) else value)
                except BaseException as error:
                    again = self._raised(error)

    async def _run_coroutine(self) -> None:
        args, kwargs = self.task._apply(self.arguments.kwargs)
        with context.enter_invocation(self, None):
            again = True
            while again:
                try:
                    coroutine: Any = self.task.func(*args, **kwargs)
                    again = self._succeeded(await coroutine)
                except BaseException as error:
                    again = self._raised(error)

    def _succeeded(self, value: Any) -> bool:
        self._value = value
        self._status = InvocationStatus.SUCCESS
        return False

    def _raised(self, error: BaseException) -> bool:
        """Whether to run it again."""
        if self._retries < self.task.conf.max_retries and isinstance(error, tuple(self.task.retriable_exceptions)):
            self._retries += 1
            return True
        self._error = error
        self._status = InvocationStatus.FAILED
        return False


SynchronousInvocation = ConcurrentInvocation
"""The older name."""


class ConcurrentInvocationGroup(BaseInvocationGroup[Params, Result], Generic[Params, Result]):
    """Runs its invocations one after the other, in the order of the calls."""

    __slots__ = ()

    _invocations: Sequence[ConcurrentInvocation[Params, Result]]

    @property
    def invocations(self) -> Sequence[ConcurrentInvocation[Params, Result]]:
        """All of them, in the order of the calls."""
        return self._invocations

    def __iter__(self) -> Iterator[ConcurrentInvocation[Params, Result]]:
        return iter(self._invocations)

    @property
    def results(self) -> Iterator[Result]:
        """Run each and return its value, or raise its exception; the same iterator then goes on with the others."""
        return map(ConcurrentInvocation.get_result, self._invocations)

    def get_results(self, timeout: float | None = None) -> list[Result]:
        """Run all. `timeout` has no effect: nothing waits."""
        return list(self.results)

    async def async_results(self) -> AsyncIterator[Result]:
        """The same as `results`, without blocking the event loop."""
        for invocation in self._invocations:
            yield await invocation.async_result()


SynchronousInvocationGroup = ConcurrentInvocationGroup
"""The older name."""


def _complete(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end: here, or on a thread of its own if an event loop runs here already."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    outcome: list[tuple[Any, BaseException | None]] = []

    def work() -> None:
        try:
            outcome.append((asyncio.run(coroutine), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,))
    thread.start()
    thread.join()
    value, error = outcome[0]
    if error is not None:
        raise error
    return value
