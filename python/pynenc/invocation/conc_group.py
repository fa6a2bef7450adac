"""Dev mode: the group of invocations that `task.parallelize` returns."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Any, Generic, Literal, overload

from pynenc.invocation.base_invocation import BaseInvocationGroup
from pynenc.invocation.conc_invocation import ConcurrentInvocation
from pynenc.invocation.group_results import AsyncGroupResults, GroupResults, or_exception
from pynenc.types import Params, Result


class ConcurrentInvocationGroup(BaseInvocationGroup[Params, Result], Generic[Params, Result]):
    """Invocations in dev mode whose bodies run one after the other, in the order of the calls."""

    __slots__ = ()

    _invocations: Sequence[ConcurrentInvocation[Params, Result]]

    @property
    def invocations(self) -> Sequence[ConcurrentInvocation[Params, Result]]:
        """The members, in the order of the calls."""
        return self._invocations

    def __iter__(self) -> Iterator[ConcurrentInvocation[Params, Result]]:
        return iter(self._invocations)

    @property
    def results(self) -> GroupResults[Result]:
        """The results in the order of the calls: an iterator whose `next` runs the body if it has not run.

        A failed member raises its exception from `next`; the same iterator then goes on with the other members.
        `results(return_exceptions=True)` yields the exception instead.
        """
        return GroupResults(lambda: iter(self._invocations), ConcurrentInvocation.get_result)

    def get_results(self, timeout: float | None = None) -> list[Result]:
        """Run every body that has not run, one after the other. Blocks until all have ended.

        Args:
            timeout: without effect in dev mode.
        Returns:
            The results in the order of the calls.
        Raises:
            Exception: the exception of the first failed member, by position; when all have ended.
        """
        for _ in self.results(return_exceptions=True):
            pass
        return list(self.results)

    @overload
    def async_results(self, *, return_exceptions: Literal[False] = False) -> AsyncGroupResults[Result]: ...

    @overload
    def async_results(self, *, return_exceptions: Literal[True]) -> AsyncGroupResults[Result | Exception]: ...

    def async_results(self, *, return_exceptions: bool = False) -> AsyncGroupResults[Any]:
        """Return the results in the order of the calls, without blocking the event loop.

        A failed member raises its exception, which ends an `async for`; another `async for` over the same iterator goes
        on with the other members.

        Args:
            return_exceptions: yield the exception of a failed member instead of raising it.
        Returns:
            An asynchronous iterator.
        """
        conclude: Callable[[Any], Any] = ConcurrentInvocation.get_final_result
        return AsyncGroupResults(self._async_finishing(), or_exception(conclude) if return_exceptions else conclude)

    async def _async_finishing(self) -> AsyncGenerator[ConcurrentInvocation[Params, Result], None]:
        for invocation in self._invocations:
            try:
                await invocation.async_result()
            except Exception:
                if not invocation.status.is_final():
                    raise
            yield invocation


SynchronousInvocationGroup = ConcurrentInvocationGroup
"""The name of `ConcurrentInvocationGroup` in pynenc 0.0.16."""
