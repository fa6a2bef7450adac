"""A function that can be called from any process and runs where a runner is."""

from __future__ import annotations

import functools
import inspect
import json
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, Self, TypedDict

from pynenc import context
from pynenc._kernel.runtime import runtime_of
from pynenc._kernel.shapes import BodyTraits
from pynenc._submit.submit import SubmitPlan, submit_many, submit_one
from pynenc._tasks.checks import check_function, check_options, refuse_what_is_not_offered
from pynenc.arguments import Arguments
from pynenc.conf.body_limits import limits_of
from pynenc.conf.config_task import ConcurrencyControlType, ConfigTask
from pynenc.exceptions import ConfigError, RetryError
from pynenc.identifiers import TaskId
from pynenc.invocation.base_invocation import BaseInvocation
from pynenc.invocation.conc_group import ConcurrentInvocationGroup
from pynenc.invocation.dist_group import DistributedInvocationGroup
from pynenc.invocation.lookup import invocation_of_task
from pynenc.serializer.app_values import register_tasks
from pynenc.types import Params, Result
from pynenc.util.near_names import did_you_mean
from pynenc.util.signature import CallSignature

if TYPE_CHECKING:
    import logging
    from concurrent.futures import Future

    from pynenc import _core
    from pynenc.app import Pynenc
    from pynenc.invocation.base_invocation import BaseInvocationGroup
    from pynenc.workflow import WorkflowContext


class TaskOptions(TypedDict, total=False):
    """The options of `@app.task(…)`. An option that is left out, or None, comes from the configuration.

    Files and the environment override what is given here.
    """

    max_retries: int | None
    """Runs after the first, for retriable exceptions; 0 by default. Then the exception is the outcome."""
    retry_for: tuple[type[BaseException], ...] | None
    """Exceptions to retry, besides `RetryError`."""
    timeout: float | None
    """Seconds that a body may run, waits included, before it fails with `TaskTimeoutError`; 0 (default): no limit."""
    soft_timeout: float | None
    """Seconds after which the body is interrupted, to clean up before its `timeout`; 0 (default): never."""
    registration_concurrency: ConcurrencyControlType | str | None
    """Which calls are not made while an equal one waits in the queue; such a call returns a `ReusedInvocation`."""
    running_concurrency: ConcurrencyControlType | str | None
    """Which invocations do not run at the same time."""
    key_arguments: Iterable[str] | None
    """Names of the arguments that count for the mode `KEYS`."""
    on_diff_non_key_args_raise: bool | None
    """Raise at the call if the queued call with equal keys has other arguments."""
    reroute_on_concurrency_control: bool | None
    """An invocation that may not run now: True puts it off, False (default) drops it."""
    queue: str | None
    """The queue of its invocations; `"default"` by default. Letters, digits, `_`, `.`, `-`."""
    priority: float | None
    """From -100 to 100, higher first; 0 by default."""
    parallel_batch_size: int | None
    """The number of calls that `parallelize` submits at once; 100 by default, 0 for one at a time."""
    auto_parallel_batch_size: int | None
    """Deprecated and without effect: `parallel_batch_size` took its place."""
    lossy: bool | None
    """Accept arguments and results that come back as something else: a tuple without annotation, for example."""
    call_result_cache: bool | None
    """Accepted for compatibility, without effect."""
    disable_cache_args: Iterable[str] | None
    """Accepted for compatibility, without effect."""
    triggers: Any
    """Refused with `NotOfferedError`: this build has no triggers."""
    force_new_workflow: bool | None
    """Deprecated; True is refused with `NotOfferedError`: this build has no workflows."""
    is_workflow_task: bool | None
    """pynenc's `@app.workflow` sets it; True is refused with `NotOfferedError`: this build has no workflows."""


class Task(Generic[Params, Result]):
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

    # -- settings --------------------------------------------------------------------------------------------------

    @functools.cached_property
    def conf(self) -> ConfigTask:
        """The options in force: the decorator's, overridden by files and the environment."""
        return self._make_conf()

    @functools.cached_property
    def retriable_exceptions(self) -> tuple[type[BaseException], ...]:
        """The exceptions of `retry_for`, and `RetryError`."""
        return tuple(dict.fromkeys((RetryError, *self.conf.retry_for)))

    @functools.cached_property
    def _traits(self) -> BodyTraits:
        limits = limits_of(self.conf.soft_timeout, self.conf.timeout)
        return BodyTraits(self._apply, limits, self._is_coroutine)

    @functools.cached_property
    def _decodes_quickly(self) -> bool:
        """Whether small arguments are decoded without code of the user's, so that it needs no supervision."""
        return not self._runtime.codec.runs_user_code(self)

    @functools.cached_property
    def _is_coroutine(self) -> bool:
        return inspect.iscoroutinefunction(self.func)

    @functools.cached_property
    def logger(self) -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
        """The app's logger. Records that a body makes name its task and invocation."""
        return self.app.logger

    def _make_conf(self) -> ConfigTask:
        conf = ConfigTask(
            self.app.config_values, self.app.config_filepath, task_id=self.task_id, task_options=self.options
        )
        for name in conf.key_arguments:
            if name not in self._signature.names:
                raise ConfigError(
                    f"ConfigTask.key_arguments must name arguments of {self.task_id}, which has no {name!r} "
                    f"(from {conf.source_of('key_arguments')}); it has {', '.join(self._signature.names) or 'none'}"
                )
        for name in ("registration_concurrency", "running_concurrency"):
            if getattr(conf, name) is ConcurrencyControlType.KEYS and not conf.key_arguments:
                raise ConfigError(
                    f"ConfigTask.key_arguments must name an argument of {self.task_id}, because its {name} is "
                    f"'keys' (from {conf.source_of(name)}); for one at a time whatever the arguments use 'task'"
                )
        if 0 < conf.timeout <= conf.soft_timeout:
            raise ConfigError(
                f"ConfigTask.soft_timeout of {self.task_id} must be below its timeout of {conf.timeout:g} s, got "
                f"{conf.soft_timeout:g} (from {conf.source_of('soft_timeout')})"
            )
        return conf

    @functools.cached_property
    def _plan(self) -> SubmitPlan:
        return SubmitPlan(self)

    @property
    def _spec(self) -> _core.TaskSpec:
        return self._plan.spec

    @functools.cached_property
    def broker_queue(self) -> str:
        """The queue of its invocations.

        Raises:
            ConfigError: it is not among the `queues` of ConfigBroker, and `raise_on_queue_mismatch` is set.
        """
        queue, broker = self.conf.queue, self._runtime.queues
        if broker.lacks_queue(queue):
            problem = (
                f"task {self.task_id} names the queue {queue!r}, which is not among ConfigBroker.queues: "
                f"{', '.join(broker.queues) or 'none'} (from {broker.source_of('queues')})"
                f"{_likely(queue, broker.queues)}"
            )
            if broker.raise_on_queue_mismatch:
                raise ConfigError(problem)
            if broker.warn_on_queue_mismatch:
                self.app.logger.warning("%s; a runner takes from it only if its own queues are not limited", problem)
        return queue

    @functools.cached_property
    def broker_priority(self) -> float:
        """The priority in force: that of the highest matching rule in `priority_rules`, else its own."""
        return self._runtime.queues.priority_of(str(self.task_id), self.conf.priority)

    @functools.cached_property
    def wf(self) -> WorkflowContext:
        """The workflow of the running body: none, as what it offers says."""
        context: WorkflowContext = self._runtime.from_above.make_workflow_context(self)
        return context

    @property
    def is_workflow_root_task(self) -> bool:
        """Whether a call starts a workflow: always False in this build."""
        return False

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
        return await off_the_loop(self._runtime, lambda: self.parallelize(items, common_args), self._report_lost)

    def _report_lost(
        self, end: Future[BaseInvocation[Params, Result]] | Future[BaseInvocationGroup[Params, Result]]
    ) -> None:
        """Log the result of a call whose caller no longer waits."""
        if self._runtime.conf.dev_mode_force_sync_tasks:
            return
        error = end.exception()
        accepted: list[Any] = []
        if error is not None:
            accepted += getattr(error, "submitted", ())
        else:
            made = end.result()
            accepted += [made] if isinstance(made, BaseInvocation) else made
        if accepted:
            ids = ", ".join(str(invocation.invocation_id) for invocation in accepted)
            self.app.logger.warning("cancelled while it was submitted, %s runs all the same: %s", self.task_id, ids)
        if error is not None:
            self.app.logger.warning("cancelled while it was submitted, %s failed: %r", self.task_id, error)

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
        return json.dumps({"task_id": str(self.task_id), "options": self.options}, default=_option_text)

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


def _likely(queue: str, queues: tuple[str, ...]) -> str:
    hint = did_you_mean(queue, queues)
    return f": {hint}" if hint else ""


def _option_text(value: Any) -> Any:
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    return list(value) if isinstance(value, Iterable) else str(value)


def _restore(app: Pynenc, task_id: str) -> Task[Any, Any]:
    return app.get_task(task_id)
