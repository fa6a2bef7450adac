"""What every invocation offers, wherever its body runs."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, overload

from pynenc.invocation.group_results import AsyncGroupResults, GroupResults
from pynenc.types import Params, Result

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.arguments import Arguments
    from pynenc.call import Call
    from pynenc.identifiers import CallId, InvocationId
    from pynenc.invocation.status import InvocationStatus
    from pynenc.task import Task
    from pynenc.workflow import WorkflowIdentity


_FOR_EVER_SEC = 1e9


class BaseInvocation(ABC, Generic[Params, Result]):
    """One call that was made. Equal to every other object with the same id."""

    __slots__ = ()

    app: Pynenc
    invocation_id: InvocationId
    body_ended: bool
    """Whether the body that this object was made for has returned or raised: for runners."""

    def leave_to_parent(self) -> None:
        """In a process that its body has forked: the claim and the slot stay with the parent."""

    @property
    @abstractmethod
    def call(self) -> Call[Params, Result]:
        """The task and its arguments."""

    @property
    @abstractmethod
    def status(self) -> InvocationStatus:
        """The status now."""

    @property
    @abstractmethod
    def num_retries(self) -> int:
        """How often the body was run again after a retriable exception."""

    @property
    @abstractmethod
    def parent_invocation_id(self) -> InvocationId | None:
        """Id of the invocation in whose body the call was made; None for a call from outside."""

    @property
    @abstractmethod
    def parent_invocation(self) -> BaseInvocation[Any, Any] | None:
        """The invocation in whose body the call was made; None for a call from outside."""

    @abstractmethod
    def get_result(self, timeout: float | None = None) -> Result:
        """Wait at most `timeout` seconds (None: without limit); the value, or the task's exception raised."""

    @abstractmethod
    def get_final_result(self) -> Result:
        """The same without waiting. `InvocationError` if it is not finished."""

    @abstractmethod
    async def async_result(self) -> Result:
        """The same as `result`, without blocking the event loop."""

    def cancel(self) -> bool:
        """Withdraw it, or have its body interrupted. False if it had finished already, else True."""
        raise NotImplementedError(f"{type(self).__name__} cannot be cancelled")

    @property
    def task(self) -> Task[Params, Result]:
        """The task that was called."""
        return self.call.task

    @property
    def arguments(self) -> Arguments:
        """What it was called with."""
        return self.call.arguments

    @property
    def call_id(self) -> CallId:
        """The id of the call: the same for every call of this task with these arguments."""
        return self.call.call_id

    @property
    def workflow(self) -> WorkflowIdentity | None:
        """The workflow that it belongs to: none, this build has no workflows."""
        return None

    @property
    def result(self) -> Result:
        """Wait without limit; the value, or the task's exception raised."""
        return self.get_result()

    def __await__(self) -> Generator[Any, None, Result]:
        return self.async_result().__await__()

    def __hash__(self) -> int:
        return hash(self.invocation_id)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BaseInvocation):
            return NotImplemented
        return str(self.invocation_id) == str(other.invocation_id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(invocation_id={str(self.invocation_id)!r})"


class BaseInvocationGroup(ABC, Generic[Params, Result]):
    """Invocations of one task, in the order of the calls."""

    __slots__ = ("_invocations", "task")

    def __init__(self, task: Task[Params, Result], invocations: Sequence[BaseInvocation[Params, Result]]) -> None:
        self.task = task
        self._invocations: Sequence[BaseInvocation[Params, Result]] = list(invocations)

    @property
    def app(self) -> Pynenc:
        """The app of the task."""
        return self.task.app

    @property
    def invocations(self) -> Sequence[BaseInvocation[Params, Result]]:
        """All of them, in the order of the calls."""
        return self._invocations

    @property
    @abstractmethod
    def results(self) -> GroupResults[Result]:
        """Results in the order in which the members finish.

        A failed member raises its exception from `next`; the same iterator then goes on with the other members.
        `results(return_exceptions=True)` yields the exception instead.
        """

    @abstractmethod
    def get_results(self, timeout: float | None = None) -> list[Result]:
        """Wait for all, at most `timeout` seconds; results in the order of the calls."""

    @overload
    def async_results(self, *, return_exceptions: Literal[False] = False) -> AsyncGroupResults[Result]: ...

    @overload
    def async_results(self, *, return_exceptions: Literal[True]) -> AsyncGroupResults[Result | Exception]: ...

    @abstractmethod
    def async_results(self, *, return_exceptions: bool = False) -> AsyncGroupResults[Any]:
        """Return the results in the order in which the members finish, without blocking the event loop.

        A failed member raises its exception, which ends an `async for`; another one over the same iterator goes on
        with the other members.

        Args:
            return_exceptions: yield the exception of a failed member instead of raising it.
        """

    def __iter__(self) -> Iterator[BaseInvocation[Params, Result]]:
        return iter(self._invocations)

    def __len__(self) -> int:
        return len(self._invocations)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(task={self.task}, {len(self)} invocations)"


def checked_timeout(timeout: float | None) -> float | None:
    """A timeout as the engine takes it: None, or seconds that are not negative.

    Raises:
        TypeError: it is no number.
        ValueError: it is not a number in the other sense, `nan`.
    """
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds or None, got {timeout!r}")
    if math.isnan(timeout):
        raise ValueError("timeout must be a number of seconds or None, got nan")
    # As good as for ever, which is what None means to the engine.
    return None if timeout > _FOR_EVER_SEC else max(0.0, float(timeout))


def raisable(error: BaseException) -> BaseException:
    """An exception of a body as it may be raised at the caller.

    `StopIteration` would end the iterators and coroutines on its way in silence: it is wrapped, as PEP 479 does.
    """
    if isinstance(error, (StopIteration, StopAsyncIteration)):
        wrapped = RuntimeError(f"the task raised {type(error).__name__}")
        wrapped.__cause__ = error
        return wrapped
    return error
