"""The results of a group, one at a time: `group.results` and `group.async_results()`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from pynenc.invocation.base_invocation import BaseInvocation

Item = TypeVar("Item")


class GroupResults(Iterator[Item], Generic[Item]):
    """Iterator over the results of a group, in the order in which the members finish. `next` blocks until a member has.

    A failed member raises its exception from `next`; the iterator then goes on with the other members. Calling the
    iterator gives a new one that yields exceptions instead: `group.results(return_exceptions=True)`.

    Args:
        begin: returns an iterator over the members in the order in which they finish; called once per iterator.
        conclude: returns the value of a finished member, or raises its exception.

    Example:
        >>> @app.task
        ... def invert(x: int) -> float:
        ...     return 1 / x
        >>> results = invert.parallelize([(0,), (2,)]).results(return_exceptions=True)
        >>> sorted(type(value).__name__ for value in results)
        ['ZeroDivisionError', 'float']
    """

    __slots__ = ("_begin", "_conclude", "_finished")

    def __init__(
        self, begin: Callable[[], Iterator[BaseInvocation[Any, Any]]], conclude: Callable[[Any], Item]
    ) -> None:
        self._begin = begin
        self._finished: Iterator[BaseInvocation[Any, Any]] | None = None
        self._conclude = conclude

    def __next__(self) -> Item:
        if self._finished is None:
            self._finished = self._begin()
        return self._conclude(next(self._finished))

    def __call__(self, *, return_exceptions: Literal[True]) -> GroupResults[Item | Exception]:
        """Return a new iterator over the same members that yields the exception of a failed member.

        Args:
            return_exceptions: True.
        Returns:
            The new iterator.
        Raises:
            TypeError: `return_exceptions` is not True.
        """
        if return_exceptions is not True:
            raise TypeError(f"return_exceptions must be True, got {return_exceptions!r}; or write group.results")
        return GroupResults(self._begin, or_exception(self._conclude))


class AsyncGroupResults(AsyncIterator[Item], Generic[Item]):
    """Asynchronous iterator over the results of a group, in the order in which the members finish.

    A failed member raises its exception from `anext`, which ends an `async for`; another `async for` over the same
    iterator goes on with the other members.

    Args:
        finished: iterates over the members in the order in which they finish.
        conclude: returns the value of a finished member, or raises its exception.
    """

    __slots__ = ("_conclude", "_finished")

    def __init__(
        self, finished: AsyncGenerator[BaseInvocation[Any, Any], None], conclude: Callable[[Any], Item]
    ) -> None:
        self._finished = finished
        self._conclude = conclude

    async def __anext__(self) -> Item:
        return self._conclude(await anext(self._finished))

    async def aclose(self) -> None:
        """End the wait for the members that have not finished; the members themselves go on."""
        await self._finished.aclose()


def or_exception(conclude: Callable[[Any], Item]) -> Callable[[Any], Item | Exception]:
    """Return a function that returns the exception of a failed member instead of raising it.

    Args:
        conclude: returns the value of a finished member, or raises its exception.
    Returns:
        The function. It passes on what is no `Exception`.
    """

    def value_or_exception(invocation: Any) -> Item | Exception:
        try:
            return conclude(invocation)
        except Exception as error:
            return error

    return value_or_exception
