"""The invocations that `task.parallelize` has submitted."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic

from pynenc._wait import missing, wait_outcomes
from pynenc.exceptions import InvocationNotFoundError, InvocationTimeoutError
from pynenc.invocation.base_invocation import BaseInvocationGroup, checked_timeout
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.types import Params, Result

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
    def results(self) -> Iterator[Result]:
        """Results in the order in which they finish; each waits as `invocation.get_result` does.

        One that failed raises its exception at that point; the same iterator then goes on with the others.
        """
        return map(DistributedInvocation._conclude, self._finishing(None))

    def get_results(self, timeout: float | None = None) -> list[Result]:
        """Wait for all, at most `timeout` seconds from now in total; element i is the result of call i.

        Raises:
            InvocationTimeoutError: not all finished in time; those that did keep their results.
            Exception: of the first one, by position, that has no value; when all have finished.
        """
        for _ in self._finishing(checked_timeout(timeout)):
            pass
        return [invocation._conclude() for invocation in self._invocations]

    async def async_results(self) -> AsyncIterator[Result]:
        """The same as `results`, without blocking the event loop."""
        waiting = _Waiting(self._invocations)
        for invocation in waiting.finished:
            yield invocation._conclude()
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
                    yield invocation._conclude()
        finally:
            if watch is not None:
                watch.close()

    def _finishing(self, timeout: float | None) -> Iterator[DistributedInvocation[Params, Result]]:
        """Each invocation when it has finished, one wait for all of them."""
        deadline = None if timeout is None else time.monotonic() + timeout
        waiting = _Waiting(self._invocations)
        yield from waiting.finished
        if not waiting:
            return
        try:
            waiter = self.app._store.waiter(waiting.ids())
            while waiting:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                news = wait_outcomes(self.app, waiter, waiting.representatives, left)
                if not news:
                    raise InvocationTimeoutError(
                        f"{len(waiting)} of {len(self)} invocations of {self.task.task_id} "
                        f"did not finish within {timeout:g} s"
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
