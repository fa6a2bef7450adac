"""A function that can be called from any process and runs where a runner is."""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, Self

from pynenc import context
from pynenc._kernel.runtime import runtime_of
from pynenc._submit.lost import report_lost
from pynenc._submit.submit import SubmitPlan, submit_many, submit_one
from pynenc._tasks.checks import check_function, check_options, refuse_what_is_not_offered
from pynenc._tasks.options import TaskOptions as TaskOptions
from pynenc._tasks.options import option_text
from pynenc._tasks.settings import TaskSettings
from pynenc.arguments import Arguments
from pynenc.identifiers import TaskId
from pynenc.invocation.base_invocation import BaseInvocation
from pynenc.invocation.conc_group import ConcurrentInvocationGroup
from pynenc.invocation.dist_group import DistributedInvocationGroup
from pynenc.invocation.lookup import invocation_of_task
from pynenc.serializer.app_values import register_tasks
from pynenc.types import Params, Result
from pynenc.util.signature import CallSignature

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pynenc.app import Pynenc
    from pynenc.invocation.base_invocation import BaseInvocationGroup
    from pynenc.workflow import WorkflowContext


class Task(TaskSettings, Generic[Params, Result]):
    """A function registered with an app. Calling it submits an invocation and returns at once.

    `@app.task` makes it. Picklable: the pickle holds the app and the id.

    Args:
        app: the app.
        func: a function at the level of a module.
        options: see `TaskOptions`.
    Raises:
        ValueError: a nested function, a lambda or a method.
        RuntimeError: a function of `__main__`, which a runner could not import.
        InvalidTaskOptionsError: an option that does not exist.
        ConfigError: an option of the wrong type or out of range.
        NotOfferedError: `triggers`, `force_new_workflow` or `is_workflow_task`.

    Example:
        >>> invocation = add(1, y=2)
        >>> invocation.result
        3
    """

    def __init__(self, app: Pynenc, func: Callable[Params, Result], options: dict[str, Any] | None = None) -> None:
        check_function(func)
        functools.update_wrapper(self, func, updated=())
        # Attributes that decorators have set on the function are readable here, but never hide those of the task.
        attributes = getattr(func, "__dict__", {})
        self.__dict__.update({name: value for name, value in attributes.items() if not hasattr(type(self), name)})
        self.__dict__["__wrapped__"] = func
        self.app = app
        self._runtime = runtime_of(app)
        self.func = func
        self.task_id = TaskId(func.__module__, func.__name__)
        self.options = {name: value for name, value in (options or {}).items() if value is not None}
        check_options(self.task_id, self.options, TaskOptions.__annotations__)
        refuse_what_is_not_offered(self.task_id, self.options)
        self._signature = CallSignature(func)
        self._bind = self._signature.bind
        self._apply = self._signature.spread
        if self.options.get("auto_parallel_batch_size"):
            warnings.warn(
                f"task {self.task_id}: auto_parallel_batch_size is without effect, parallel_batch_size took its place",
                DeprecationWarning,
                stacklevel=4,
            )
        if self.options:
            # Report invalid options at once. The settings themselves are read at first use: see `conf`.
            self._make_conf()

    @functools.cached_property
    def _plan(self) -> SubmitPlan:
        return SubmitPlan(self)

    @functools.cached_property
    def wf(self) -> WorkflowContext:
        """The workflow of the running body. This build has none, so its operations raise."""
        context: WorkflowContext = self._runtime.from_above.make_workflow_context(self)
        return context

    # -- calls -----------------------------------------------------------------------------------------------------

    def __call__(self, /, *args: Params.args, **kwargs: Params.kwargs) -> BaseInvocation[Params, Result]:
        """Submit one call.

        Blocks until the store has the call, not until the result is there. In dev mode (`dev_mode_force_sync_tasks`)
        nothing is submitted: the body runs in the caller.

        Args:
            *args: positional arguments of the function.
            **kwargs: keyword arguments of the function.
        Returns:
            The invocation; a `ReusedInvocation` if registration concurrency refused the call.
        Raises:
            TypeError: the arguments do not fit the signature.
            SerializationError: an argument has no encoded form (names it); `PayloadTooLargeError` if they are too
                large.
            InvocationConcurrencyWithDifferentArgumentsError: see `on_diff_non_key_args_raise`.
            DepthExceededError: a body makes the call at a depth beyond `max_depth`.
            StateBackendError: the store did not accept the call.
        """
        bound = self._bind(*args, **kwargs)
        if self._runtime.conf.dev_mode_force_sync_tasks:
            from pynenc._submit.dev_mode import call_here

            return call_here(self, bound)
        return submit_one(self._plan, bound)

    async def submit(self, /, *args: Params.args, **kwargs: Params.kwargs) -> BaseInvocation[Params, Result]:
        """Submit one call without blocking the event loop: `invocation = await task.submit(…)`.

        Returns when the store has the call; `await invocation` then waits for the result. A thread of the app makes the
        call, in the context of the caller. It encodes the arguments too: do not change them before this has returned.
        In dev mode the body starts in the caller: a coroutine on this loop.

        Back-pressure: an app makes at most four such calls at a time; other calls wait for their turn, in order. So a
        slow store slows down the awaiting code. Nothing limits how many calls wait: bound what you start at once.

        Cancelling the await (`asyncio.timeout`, `wait_for`) returns at once. A call whose turn has not come is not made
        then. A call on its way to the store goes on: if the store accepts it, it runs, and a warning in the log of the
        app names its invocation. To keep the invocation in any case, shield the await with `asyncio.shield`.

        Args:
            *args: positional arguments of the function.
            **kwargs: keyword arguments of the function.
        Returns:
            The invocation.
        Raises:
            Exception: as a call of the task raises.

        Example:
            >>> async def main():
            ...     invocation = await add.submit(1, 2)
            ...     return await invocation
            >>> asyncio.run(main())
            3
        """
        from pynenc._kernel.submit_pool import off_the_loop

        if self._is_coroutine and self._runtime.conf.dev_mode_force_sync_tasks:
            return self(*args, **kwargs)
        return await off_the_loop(self._runtime, lambda: self(*args, **kwargs), self._report_lost)

    async def submit_many(
        self,
        param_iter: Iterable[tuple[Any, ...] | dict[str, Any] | Arguments],
        common_args: dict[str, Any] | None = None,
    ) -> BaseInvocationGroup[Params, Result]:
        """Submit many calls without blocking the event loop: `group = await task.submit_many(…)`.

        Otherwise as `parallelize`, with the turns and the cancelling of `submit`, where the group counts as one call:
        when the await is cancelled, a group on its way is submitted to its end.

        Args:
            param_iter: per call a tuple of positional arguments, a dict of keyword arguments, or `Arguments`. Iterated
                over at once, on the event loop.
            common_args: keyword arguments of every call; the items must be dicts then, and win over them.
        Returns:
            The group, in the order of `param_iter`.
        Raises:
            Exception: as `parallelize` raises.

        Example:
            >>> async def main():
            ...     group = await add.submit_many([(1, 2), (3, 4)])
            ...     return sorted([value async for value in group.async_results()])
            >>> asyncio.run(main())
            [3, 7]
        """
        from pynenc._kernel.submit_pool import off_the_loop

        items = list(param_iter)
        if self._is_coroutine and self._runtime.conf.dev_mode_force_sync_tasks:
            return self.parallelize(items, common_args)
        return await off_the_loop(
            self._runtime,
            lambda: self.parallelize(items, common_args),
            self._report_lost,
        )

    def _report_lost(self, end: Future[Any]) -> None:
        report_lost(self._runtime, self.task_id, end)

    def args(self, /, *args: Params.args, **kwargs: Params.kwargs) -> Arguments:
        """Return the arguments of a call without making it.

        Args:
            *args: positional arguments of the function.
            **kwargs: keyword arguments of the function.
        Returns:
            The arguments.
        Raises:
            TypeError: the arguments do not fit the signature.
        """
        return Arguments.of_bound(self._bind(*args, **kwargs), self)

    def parallelize(
        self,
        param_iter: Iterable[tuple[Any, ...] | dict[str, Any] | Arguments],
        common_args: dict[str, Any] | None = None,
    ) -> BaseInvocationGroup[Params, Result]:
        """Submit many calls, `parallel_batch_size` at a time. Blocks until the store has all of them.

        Arguments that do not fit or have no encoded form are found before anything is submitted. If a call is refused
        later on (`on_diff_non_key_args_raise`, a store that fails), the calls before it stay submitted; the exception
        has their invocations in its attribute `submitted`.

        Args:
            param_iter: per call a tuple of positional arguments, a dict of keyword arguments, or `Arguments`.
            common_args: keyword arguments of every call; the items must be dicts then, and win over them.
        Returns:
            The group, in the order of `param_iter`.
        Raises:
            TypeError: an item is none of these, or does not fit the signature.
            ValueError: `common_args` with an item that is not a dict.
            Exception: as a call of the task raises.

        Example:
            >>> add.parallelize([{"x": 1}, {"x": 2}], common_args={"y": 10}).get_results()
            [11, 12]
        """
        calls = [self._bind_item(item, common_args) for item in param_iter]
        if self._runtime.conf.dev_mode_force_sync_tasks:
            from pynenc._submit.dev_mode import call_many_here

            return ConcurrentInvocationGroup(self, call_many_here(self, calls))
        return DistributedInvocationGroup(self, submit_many(self._plan, calls))

    def _bind_item(self, item: Any, common_args: dict[str, Any] | None) -> dict[str, Any]:
        bind: Callable[..., dict[str, Any]] = self._bind
        if isinstance(item, dict):
            return bind(**{**common_args, **item}) if common_args else bind(**item)
        if common_args is not None:
            raise ValueError(
                f"{self.task_id}.parallelize: with common_args every item must be a dict, got {type(item).__name__}"
            )
        if isinstance(item, tuple):
            return bind(*item)
        if isinstance(item, Arguments):
            args, kwargs = self._apply(item.passed)
            return bind(*args, **kwargs)
        raise TypeError(
            f"{self.task_id}.parallelize: an item must be a tuple of positional arguments, a dict of keyword arguments "
            f"or Arguments, got {type(item).__name__}; for a single argument write (value,)"
        )

    def get_invocation(self, invocation_id: str) -> BaseInvocation[Params, Result]:
        """Return the invocation of this task with an id, for example an id from a web page.

        Blocks for one read of the store.

        Args:
            invocation_id: the id.
        Returns:
            The invocation.
        Raises:
            InvocationNotFoundError: the store has none with this id, or no longer, or it is one of another task.

        Example:
            >>> text = str(add(1, 2).invocation_id)
            >>> add.get_invocation(text).result
            3
        """
        return invocation_of_task(self, invocation_id)

    async def find(self, invocation_id: str) -> BaseInvocation[Params, Result]:
        """Return the invocation of this task with an id, without blocking the event loop: `await task.find(id)`.

        Args:
            invocation_id: the id.
        Returns:
            The invocation.
        Raises:
            InvocationNotFoundError: the store has none with this id, or no longer, or it is one of another task.
        """
        from pynenc._kernel.submit_pool import off_the_loop

        return await off_the_loop(self._runtime, lambda: self.get_invocation(invocation_id))

    # -- inside a body ---------------------------------------------------------------------------------------------

    @property
    def invocation(self) -> BaseInvocation[Params, Result]:
        """The invocation of this task whose body runs here. Raises `RuntimeError` outside of such a body.

        Example:
            >>> @shop.task(max_retries=1)
            ... def flaky() -> int:
            ...     if flaky.invocation.num_retries == 0:
            ...         raise RetryError
            ...     return flaky.invocation.num_retries
            >>> with isolated(shop) as test:
            ...     invocation, runs = flaky(), test.drain()
            ...     invocation.result
            1
        """
        current = context.invocation_of(self.app)
        if current is None or current.task is not self:
            raise RuntimeError(f"task.invocation of {self.task_id} is only there while a body of this task runs")
        return current

    # -- identity --------------------------------------------------------------------------------------------------

    def to_json(self) -> str:
        """Return the task as text.

        Returns:
            One JSON object: the id and the options.
        """
        return json.dumps({"task_id": str(self.task_id), "options": self.options}, default=option_text)

    @classmethod
    def from_json(cls, app: Pynenc, text: str) -> Task[Any, Any]:
        """Return the task that a text names.

        Args:
            app: the app.
            text: what `to_json` returned.
        Returns:
            The task.
        Raises:
            TaskError: this process does not know the task.
        """
        return app.get_task(json.loads(text)["task_id"])

    @classmethod
    def from_id(cls, app: Pynenc, task_id: str) -> Task[Any, Any]:
        """Return the task with an id.

        Args:
            app: the app.
            task_id: the id.
        Returns:
            The task.
        Raises:
            TaskError: this process does not know the task.
        """
        return app.get_task(task_id)

    @classmethod
    def create_for_app(cls, app: Pynenc, func: Callable[..., Any], options: dict[str, Any] | None = None) -> Self:
        """Make a function a task of an app, as `@app.task(**options)` does.

        Args:
            app: the app.
            func: a function at the level of a module.
            options: see `TaskOptions`.
        Returns:
            The task.
        Raises:
            Exception: as `app.task` raises.
        """
        task = cls(app, func, options)
        app.tasks[task.task_id] = task
        return task

    def clone_for_app(self, app: Pynenc) -> Self:
        """Make the function of this task a task of another app, with the same options.

        Args:
            app: the other app.
        Returns:
            The new task.
        """
        return self.create_for_app(app, self.func, self.options)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self.app, str(self.task_id)))

    def __str__(self) -> str:
        return f"Task(func={self.func.__name__})"

    def __repr__(self) -> str:
        return f"Task(task_id={str(self.task_id)!r})"


register_tasks(Task)


def _restore(app: Pynenc, task_id: str) -> Task[Any, Any]:
    return app.get_task(task_id)
