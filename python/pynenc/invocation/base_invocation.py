"""The interface that every invocation and every group has, wherever the bodies run."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, overload

from pynenc.invocation.group_results import AsyncGroupResults, GroupResults
from pynenc.types import Params, Result

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.arguments import Arguments
    from pynenc.call import Call
    from pynenc.identifiers import CallId, InvocationId, WorkflowIdentity
    from pynenc.invocation.status import InvocationStatus
    from pynenc.task import Task


_FOR_EVER_SEC = 1e9


class BaseInvocation(ABC, Generic[Params, Result]):
    """One call that was made, under one id.

    Two objects with the same id are equal and hash alike. Awaiting an invocation waits for its result, as
    `async_result`.
    """

    __slots__ = ()

    in_store: ClassVar[bool]
    """Whether the store has the invocation. In dev mode it is in this process alone."""

    app: Pynenc
    """The app of the task."""
    invocation_id: InvocationId
    """The id: a UUID as text, ordered by time of submission."""
    body_ended: bool
    """Whether the body of this object has returned or raised. For runners."""

    def leave_to_parent(self) -> None:
        """Give up the claim and the slot in a process that the body has forked: both stay with the parent."""

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
        """The number of runs after the first, each for a retriable exception."""

    @property
    @abstractmethod
    def parent_invocation_id(self) -> InvocationId | None:
        """The id of the invocation whose body made the call; None for a call from outside."""

    @property
    @abstractmethod
    def parent_invocation(self) -> BaseInvocation[Any, Any] | None:
        """The invocation whose body made the call; None for a call from outside."""

    @abstractmethod
    def get_result(self, timeout: float | None = None) -> Result:
        """Wait for the result.

        Args:
            timeout: seconds to wait, from now; None waits without limit, 0 does not wait.
        Returns:
            What the task returned.
        Raises:
            InvocationTimeoutError: the invocation did not finish in time.
            Exception: the exception of the task.
        """

    @abstractmethod
    def get_final_result(self) -> Result:
        """Return the result of a finished invocation without waiting.

        Returns:
            What the task returned.
        Raises:
            InvocationError: the invocation is not finished.
            Exception: the exception of the task.
        """

    @abstractmethod
    async def async_result(self) -> Result:
        """Wait for the result without blocking the event loop.

        Returns:
            What the task returned.
        Raises:
            Exception: the exception of the task.
        """

    def cancel(self) -> bool:
        """Withdraw the invocation, or interrupt its body. Does not wait for the body.

        Returns:
            False if the invocation had finished already, else True.
        Raises:
            NotImplementedError: this class has no way to cancel.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot be cancelled")

    @property
    def task(self) -> Task[Params, Result]:
        """The task that was called."""
        return self.call.task

    @property
    def arguments(self) -> Arguments:
        """The arguments of the call."""
        return self.call.arguments

    @property
    def call_id(self) -> CallId:
        """The id of the call: equal for every call of this task with equal arguments."""
        return self.call.call_id

    @property
    def workflow(self) -> WorkflowIdentity | None:
        """The workflow of the invocation: always None, this build has no workflows."""
        return None

    @property
    def result(self) -> Result:
        """The value that the task returned. Reading it blocks without limit and raises, as `get_result()` does."""
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
    """Invocations of one task, in the order of the calls. Iterable, and has a length.

    Args:
        task: the task that was called.
        invocations: the members, in the order of the calls.
    """

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
        """The members, in the order of the calls."""
        return self._invocations

    @property
    @abstractmethod
    def results(self) -> GroupResults[Result]:
        """The results in the order in which the members finish: an iterator whose `next` blocks until a member has.

        A failed member raises its exception from `next`; the same iterator then goes on with the other members.
        `results(return_exceptions=True)` yields the exception instead.
        """

    @abstractmethod
    def get_results(self, timeout: float | None = None) -> list[Result]:
        """Wait until all members have finished.

        Args:
            timeout: seconds for the whole group, from now; None waits without limit.
        Returns:
            The results in the order of the calls.
        Raises:
            InvocationTimeoutError: not all members finished in time.
            Exception: the exception of the first failed member, by position.
        """

    @overload
    def async_results(self, *, return_exceptions: Literal[False] = False) -> AsyncGroupResults[Result]: ...

    @overload
    def async_results(self, *, return_exceptions: Literal[True]) -> AsyncGroupResults[Result | Exception]: ...

    @abstractmethod
    def async_results(self, *, return_exceptions: bool = False) -> AsyncGroupResults[Any]:
        """Return the results in the order in which the members finish, without blocking the event loop.

        A failed member raises its exception, which ends an `async for`; another `async for` over the same iterator goes
        on with the other members.

        Args:
            return_exceptions: yield the exception of a failed member instead of raising it.
        Returns:
            An asynchronous iterator.
        """

    def __iter__(self) -> Iterator[BaseInvocation[Params, Result]]:
        return iter(self._invocations)

    def __len__(self) -> int:
        return len(self._invocations)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(task={self.task}, {len(self)} invocations)"


def checked_timeout(timeout: float | None) -> float | None:
    """Return a timeout as the engine takes it: None, or seconds that are not negative.

    Args:
        timeout: seconds, or None for no limit.
    Returns:
        The seconds, 0 for a negative number; None for more than 1e9 s.
    Raises:
        TypeError: `timeout` is no number.
        ValueError: `timeout` is `nan`.
    """
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds or None, got {timeout!r}")
    if math.isnan(timeout):
        raise ValueError("timeout must be a number of seconds or None, got nan")
    # Almost forever, which None means to the engine.
    return None if timeout > _FOR_EVER_SEC else max(0.0, float(timeout))


def raisable(error: BaseException) -> BaseException:
    """Return an exception of a body as it may be raised at the caller.

    Args:
        error: the exception of the body.
    Returns:
        The exception itself, or a `RuntimeError` around `StopIteration` and `StopAsyncIteration`, which would end the
        iterators and coroutines on their way in silence (PEP 479).
    """
    if isinstance(error, (StopIteration, StopAsyncIteration)):
        wrapped = RuntimeError(f"the task raised {type(error).__name__}")
        wrapped.__cause__ = error
        return wrapped
    return error
