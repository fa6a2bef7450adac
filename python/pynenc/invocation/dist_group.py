"""The group of invocations that `task.parallelize` returns."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, overload

from pynenc._kernel.runtime import runtime_of
from pynenc._wait.report import late_group
from pynenc._wait.threads import missing, wait_outcomes
from pynenc.exceptions import InvocationNotFoundError
from pynenc.invocation.base_invocation import BaseInvocationGroup, checked_timeout
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.invocation.group_results import AsyncGroupResults, GroupResults, or_exception
from pynenc.types import Params, Result
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._wait.loops import Watch


class DistributedInvocationGroup(BaseInvocationGroup[Params, Result], Generic[Params, Result]):
    """Invocations in the store that are waited for together: one wait covers all members.

    Example:
        >>> group = add.parallelize([(1, 2), (3, 4)])
        >>> len(group), sorted(group.results)
        (2, [3, 7])
    """

    __slots__ = ()

    _invocations: Sequence[DistributedInvocation[Params, Result]]

    @property
    def invocations(self) -> Sequence[DistributedInvocation[Params, Result]]:
        """The members, in the order of the calls."""
        return self._invocations

    def __iter__(self) -> Iterator[DistributedInvocation[Params, Result]]:
        return iter(self._invocations)

    @property
    def results(self) -> GroupResults[Result]:
        """The results in the order in which the members finish: an iterator whose `next` blocks until a member has.

        It waits as `DistributedInvocation.get_result` does. A failed member raises its exception from `next`; the same
        iterator then goes on with the other members. `results(return_exceptions=True)` yields the exception instead.

        Example:
            >>> for value in add.parallelize([(1, 2)]).results:
            ...     print(value)
            3
        """
        return GroupResults(lambda: self._finishing(None), DistributedInvocation._conclude)

    def get_results(self, timeout: float | None = None) -> list[Result]:
        """Wait until all members have finished.

        Blocks the calling thread with the GIL released: one wait for all members, and the store notifies this process
        of each end. Inside a body its slot is lent out meanwhile.

        Args:
            timeout: seconds for the whole group, from now; None waits without limit.
        Returns:
            A list as long as the group; element i is the result of call i.
        Raises:
            InvocationTimeoutError: not all members finished in time; the finished members keep their results.
            Exception: the exception of the first member, by position, that has no value; when all have finished.

        Example:
            >>> add.parallelize([(1, 2), (3, 4)]).get_results(timeout=10)
            [3, 7]
        """
        for _ in self._finishing(checked_timeout(timeout)):
            pass
        return [invocation._conclude() for invocation in self._invocations]

    @overload
    def async_results(self, *, return_exceptions: Literal[False] = False) -> AsyncGroupResults[Result]: ...

    @overload
    def async_results(self, *, return_exceptions: Literal[True]) -> AsyncGroupResults[Result | Exception]: ...

    def async_results(self, *, return_exceptions: bool = False) -> AsyncGroupResults[Any]:
        """Return the results in the order in which the members finish, without blocking the event loop.

        A failed member raises its exception, which ends an `async for`; another `async for` over the same iterator goes
        on with the other members.

        Args:
            return_exceptions: yield the exception of a failed member instead of raising it.
        Returns:
            An asynchronous iterator.

        Example:
            >>> async def main():
            ...     return [value async for value in add.parallelize([(1, 2)]).async_results()]
            >>> asyncio.run(main())
            [3]
        """
        conclude: Callable[[Any], Any] = DistributedInvocation._conclude
        return AsyncGroupResults(self._async_finishing(), or_exception(conclude) if return_exceptions else conclude)

    async def _async_finishing(self) -> AsyncGenerator[DistributedInvocation[Params, Result], None]:
        """Yield each invocation when it has finished, with one watch for all."""
        waiting = _Waiting(self._invocations)
        for invocation in waiting.finished:
            yield invocation
        if not waiting:
            return
        # Imported here: asyncio takes longer to import than all the rest.
        from pynenc._wait.loops import async_outcomes

        watch: Watch | None = None
        try:
            while True:
                try:
                    watch = watch or await async_outcomes(runtime_of(self.app), waiting.representatives())
                    news = await watch.next()
                except InvocationNotFoundError as error:
                    raise missing(runtime_of(self.app), "", error) from None
                if not news:
                    return
                for invocation in waiting.settle(news):
                    yield invocation
        finally:
            if watch is not None:
                watch.close()

    def _finishing(self, timeout: float | None) -> Iterator[DistributedInvocation[Params, Result]]:
        """Yield each invocation when it has finished, with one wait for all."""
        deadline = None if timeout is None else clock.monotonic() + timeout
        waiting = _Waiting(self._invocations)
        yield from waiting.finished
        if not waiting:
            return
        try:
            waiter = runtime_of(self.app).store.waiter(waiting.ids())
            while waiting:
                left = None if deadline is None else max(0.0, deadline - clock.monotonic())
                news = wait_outcomes(runtime_of(self.app), waiter, waiting.representatives, left)
                if not news:
                    raise late_group(
                        runtime_of(self.app), self.task.task_id, waiting.representatives(), len(self), timeout or 0.0
                    )
                yield from waiting.settle(news)
        except InvocationNotFoundError as error:
            raise missing(runtime_of(self.app), "", error) from None


class _Waiting(Generic[Params, Result]):
    """The invocations without a known outcome, by id; several objects may have the same id."""

    def __init__(self, invocations: Iterable[DistributedInvocation[Params, Result]]) -> None:
        self.finished: list[DistributedInvocation[Params, Result]] = []
        self._by_id: dict[str, list[DistributedInvocation[Params, Result]]] = {}
        for invocation in invocations:
            if invocation._terminal is not None:
                self.finished.append(invocation)
            else:
                self._by_id.setdefault(str(invocation.invocation_id), []).append(invocation)

    def __len__(self) -> int:
        return len(self._by_id)

    def ids(self) -> list[str]:
        return list(self._by_id)

    def representatives(self) -> list[DistributedInvocation[Params, Result]]:
        return [same[0] for same in self._by_id.values()]

    def settle(self, news: list[_core.Terminal]) -> list[DistributedInvocation[Params, Result]]:
        """Note outcomes; the invocations they belong to."""
        settled: list[DistributedInvocation[Params, Result]] = []
        for terminal in news:
            for invocation in self._by_id.pop(terminal[0], ()):
                invocation._terminal = terminal
                settled.append(invocation)
        return settled
