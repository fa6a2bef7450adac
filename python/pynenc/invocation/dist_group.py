"""The invocations that `task.parallelize` has submitted."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, overload

from pynenc._wait import missing, wait_outcomes
from pynenc._wait_report import why_unfinished
from pynenc.exceptions import InvocationNotFoundError, InvocationTimeoutError
from pynenc.invocation.base_invocation import BaseInvocationGroup, checked_timeout
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.invocation.group_results import AsyncGroupResults, GroupResults, or_exception
from pynenc.types import Params, Result
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._async_wait import Watch


class DistributedInvocationGroup(BaseInvocationGroup[Params, Result], Generic[Params, Result]):
    """Waits for all of its invocations at once: the first to finish comes first."""

    __slots__ = ()

    _invocations: Sequence[DistributedInvocation[Params, Result]]

    @property
    def invocations(self) -> Sequence[DistributedInvocation[Params, Result]]:
        """All of them, in the order of the calls."""
        return self._invocations

    def __iter__(self) -> Iterator[DistributedInvocation[Params, Result]]:
        return iter(self._invocations)

    @property
    def results(self) -> GroupResults[Result]:
        """Results in the order in which the members finish; each waits as `invocation.get_result` does.

        A failed member raises its exception from `next`; the same iterator then goes on with the other members.
        `results(return_exceptions=True)` yields the exception instead.
        """
        return GroupResults(lambda: self._finishing(None), DistributedInvocation._conclude)

    def get_results(self, timeout: float | None = None) -> list[Result]:
        """Wait for all, at most `timeout` seconds from now in total; element i is the result of call i.

        Raises:
            InvocationTimeoutError: not all finished in time; those that did keep their results.
            Exception: of the first one, by position, that has no value; when all have finished.
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

        A failed member raises its exception, which ends an `async for`; another one over the same iterator goes on
        with the other members.

        Args:
            return_exceptions: yield the exception of a failed member instead of raising it.
        """
        conclude: Callable[[Any], Any] = DistributedInvocation._conclude
        return AsyncGroupResults(self._async_finishing(), or_exception(conclude) if return_exceptions else conclude)

    async def _async_finishing(self) -> AsyncGenerator[DistributedInvocation[Params, Result], None]:
        """Each invocation when it has finished, one watch for all of them."""
        waiting = _Waiting(self._invocations)
        for invocation in waiting.finished:
            yield invocation
        if not waiting:
            return
        # Imported here: asyncio takes longer to import than all the rest.
        from pynenc._async_wait import async_outcomes

        watch: Watch | None = None
        try:
            while True:
                try:
                    watch = watch or await async_outcomes(self.app, waiting.representatives())
                    news = await watch.next()
                except InvocationNotFoundError as error:
                    raise missing(self.app, "", error) from None
                if not news:
                    return
                for invocation in waiting.settle(news):
                    yield invocation
        finally:
            if watch is not None:
                watch.close()

    def _finishing(self, timeout: float | None) -> Iterator[DistributedInvocation[Params, Result]]:
        """Each invocation when it has finished, one wait for all of them."""
        deadline = None if timeout is None else clock.monotonic() + timeout
        waiting = _Waiting(self._invocations)
        yield from waiting.finished
        if not waiting:
            return
        try:
            waiter = self.app._store.waiter(waiting.ids())
            while waiting:
                left = None if deadline is None else max(0.0, deadline - clock.monotonic())
                news = wait_outcomes(self.app, waiter, waiting.representatives, left)
                if not news:
                    why = why_unfinished(self.app, waiting.representatives()[0]) if timeout else ""
                    raise InvocationTimeoutError(
                        f"{len(waiting)} of {len(self)} invocations of {self.task.task_id} "
                        f"did not finish within {timeout:g} s{why}"
                    )
                yield from waiting.settle(news)
        except InvocationNotFoundError as error:
            raise missing(self.app, "", error) from None


class _Waiting(Generic[Params, Result]):
    """The invocations whose outcome is not known here, by id; several objects may stand for one id."""

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
