"""`@app.direct_task`: a task whose name stays a function that returns the result."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from pynenc._kernel.shapes import signature_of
from pynenc.exceptions import InvalidTaskOptionsError

ParallelFunc: TypeAlias = Callable[[dict[str, Any]], Any]
"""Converts the arguments of one call to those of many: an iterable of argument sets, or `(common arguments, iterable of
dicts)`.
"""

AggregateFunc: TypeAlias = Callable[[list[Any]], Any]
"""Combines the results of these calls, in their order, into one result."""


def make_direct(
    task: Any, parallel_func: ParallelFunc | None, aggregate_func: AggregateFunc | None
) -> Callable[..., Any]:
    """A function that submits, waits and returns the result; a coroutine function if the task's is one.

    Raises:
        ValueError: `parallel_func` without `aggregate_func`.
        InvalidTaskOptionsError: `aggregate_func` without `parallel_func`.
    """
    if parallel_func is not None and aggregate_func is None:
        raise ValueError(
            f"direct task {task.task_id}: parallel_func needs aggregate_func, which makes one result of all"
        )
    if parallel_func is None and aggregate_func is not None:
        raise InvalidTaskOptionsError(task.task_id, f"direct task {task.task_id}: aggregate_func needs parallel_func")

    def split(func: ParallelFunc, args: Any, kwargs: Any) -> tuple[Any, dict[str, Any] | None]:
        return _argument_sets(task, func(signature_of(task).filled(signature_of(task).bind(*args, **kwargs))))

    if inspect.iscoroutinefunction(task.func):

        @functools.wraps(task.func)
        async def direct_async(*args: Any, **kwargs: Any) -> Any:
            if parallel_func is None or aggregate_func is None:
                return await (await task.submit(*args, **kwargs)).async_result()
            group = await task.submit_many(*split(parallel_func, args, kwargs))
            async for _ in group.async_results(return_exceptions=True):
                pass
            return aggregate_func(group.get_results())

        direct: Callable[..., Any] = direct_async
    else:

        @functools.wraps(task.func)
        def direct_sync(*args: Any, **kwargs: Any) -> Any:
            if parallel_func is None or aggregate_func is None:
                return task(*args, **kwargs).result
            return aggregate_func(task.parallelize(*split(parallel_func, args, kwargs)).get_results())

        direct = direct_sync

    direct.__inner_function__ = task.func  # type: ignore[attr-defined]
    direct.__pynenc_task__ = task  # type: ignore[attr-defined]
    return direct


def _argument_sets(task: Any, split: Any) -> tuple[Any, dict[str, Any] | None]:
    """Return the result of `parallel_func` in the form of `parallelize`."""
    if isinstance(split, tuple) and len(split) == 2 and isinstance(split[0], dict) and not isinstance(split[1], dict):
        common, items = split
        return items, common
    if not isinstance(split, Iterable):
        raise TypeError(
            f"direct task {task.task_id}: parallel_func must return an iterable of argument sets, "
            f"or (common arguments, iterable of dicts); got {type(split).__name__}"
        )
    return split, None
