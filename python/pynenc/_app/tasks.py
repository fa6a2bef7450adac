"""The tasks of an app: how functions become tasks, and how a task is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from pynenc._tasks.direct import make_direct
from pynenc._tasks.not_offered import no_workflows
from pynenc._tasks.registered import register
from pynenc.identifiers import TaskId
from pynenc.task import Task, TaskOptions
from pynenc.types import Params

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from pynenc._kernel.runtime import AppRuntime
    from pynenc._tasks.direct import AggregateFunc, ParallelFunc
    from pynenc.core_tasks import CoreTaskDefinition

R = TypeVar("R")
E = TypeVar("E", bound=Exception)
F = TypeVar("F", bound=Callable[..., Any])


class AppTasks:
    """The decorators of an app, and its tasks."""

    _runtime: AppRuntime

    @property
    def tasks(self) -> dict[TaskId, Task[..., Any]]:
        """The tasks that are registered in this process, by id."""
        return self._runtime.tasks

    @overload
    def task(
        self, func: Callable[Params, Coroutine[Any, Any, R]], /, **options: Unpack[TaskOptions]
    ) -> Task[Params, R]: ...

    @overload
    def task(self, func: Callable[Params, R], /, **options: Unpack[TaskOptions]) -> Task[Params, R]: ...

    @overload
    def task(self, func: None = None, /, **options: Unpack[TaskOptions]) -> _TaskDecorator: ...

    def task(self, func: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Make a function of a module a task: `@app.task`, or `@app.task(max_retries=3, …)`.

        Registers the task in this process; nothing is written to the store.

        Args:
            func: the function; None returns a decorator.
            **options: see `TaskOptions`. Files and the environment override them.
        Returns:
            The `Task`, or a decorator that returns it.
        Raises:
            ValueError: a nested function, a lambda or a method.
            RuntimeError: a function of `__main__`, which a runner could not import.
            InvalidTaskOptionsError: an option that does not exist; the message names similar ones.
            ConfigError: a value of the wrong type or out of range; names the field, the source and the value.
            NotOfferedError: `triggers` or `force_new_workflow`.

        Example:
            >>> @app.task(max_retries=2, retry_for=(ConnectionError,))
            ... def greet(name: str) -> str:
            ...     return f"hello {name}"
            >>> greet("Ada").result
            'hello Ada'
        """

        def make(func: Callable[..., Any]) -> Task[..., Any]:
            task = Task(self._runtime.app, func, options)
            register(self._runtime, task)
            return task

        return make if func is None else make(func)

    @overload
    def direct_task(self, func: F, /) -> F: ...

    @overload
    def direct_task(
        self,
        func: None = None,
        /,
        *,
        parallel_func: ParallelFunc | None = None,
        aggregate_func: AggregateFunc | None = None,
        **options: Unpack[TaskOptions],
    ) -> Callable[[F], F]: ...

    def direct_task(
        self,
        func: Callable[..., Any] | None = None,
        /,
        *,
        parallel_func: ParallelFunc | None = None,
        aggregate_func: AggregateFunc | None = None,
        **options: Any,
    ) -> Any:
        """Make a function a task, but keep its name a function: calling it submits, waits and returns the result.

        A call blocks as `invocation.result` does; a coroutine function stays one, and its call awaits.

        Args:
            func: the function; None returns a decorator.
            parallel_func: makes of the arguments of one call (a dict) those of many, which run in parallel: an iterable
                of argument sets, or `(common arguments, iterable of dicts)`.
            aggregate_func: makes one result of the list of results, in that order; required with `parallel_func`.
            **options: see `TaskOptions`.
        Returns:
            The function that submits, or a decorator that returns it.
        Raises:
            ValueError: `parallel_func` without `aggregate_func`; or as `task` raises.
            InvalidTaskOptionsError: `aggregate_func` without `parallel_func`; or as `task` raises.

        Example:
            >>> @app.direct_task
            ... def square(x: int) -> int:
            ...     return x * x
            >>> square(7)
            49
        """

        def make(func: Callable[..., Any]) -> Callable[..., Any]:
            task = Task(self._runtime.app, func, options)
            direct = make_direct(task, parallel_func, aggregate_func)
            register(self._runtime, task)
            return direct

        return make if func is None else make(func)

    def get_task(self, task_id: str) -> Task[..., Any]:
        """Return the registered task with an id, which may come from the store.

        Imports at most the module of the task, and only if that import failed when the runner started.

        Args:
            task_id: `"<module>.<function>"`.
        Returns:
            The task.
        Raises:
            TaskError: no task has this id; the message says how to have its module imported.

        Example:
            >>> app.get_task("shop.add") is add
            True
        """
        # Task ids hash and compare as the text they are.
        task: Task[..., Any] | None = self._runtime.tasks.get(task_id)  # type: ignore[call-overload]
        if task is None:
            from pynenc._tasks.modules import late_task

            task = late_task(self._runtime, task_id)
        return task

    def register_exception(self, cls: type[E]) -> type[E]:
        """Have exceptions of a class come back from tasks as that class. Works as a decorator.

        Builtins, exceptions of pynenc, those that the module of the task has, and those in `retry_for` do so anyway;
        any other class arrives as a `RemoteError`.

        Args:
            cls: the class.
        Returns:
            The class.
        Raises:
            TypeError: it is no subclass of `Exception`.

        Example:
            >>> @app.register_exception
            ... class OutOfStock(Exception):
            ...     pass
        """
        return self._runtime.codec.register_exception(cls)

    def workflow(self, func: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Refuse: this build has no workflows, and a plain task would not keep what a workflow promises.

        Args:
            func: the function.
            **options: the options of the task.
        Returns:
            Nothing: it always raises.
        Raises:
            NotOfferedError: always.
        """

        raise no_workflows(f"@app.workflow on {getattr(func, '__qualname__', 'a function')}")

    def register_core_tasks(self) -> None:
        """Make the functions of `pynenc.core_tasks` tasks of this app. Recovery does not need them: runners recover."""
        from pynenc.core_tasks import core_tasks_registry

        for definition in core_tasks_registry:
            definition.register(self._runtime.app)

    def register_core_task(self, definition: CoreTaskDefinition) -> Task[..., Any]:
        """Make a function a task of this app, unless it is one.

        Args:
            definition: the function and its options.
        Returns:
            The task.
        """
        return definition.register(self._runtime.app)

    def register_deferred_triggers(self) -> None:
        """Return at once: a task with triggers is refused, so none is deferred."""


class _TaskDecorator:
    """The type of `@app.task(…)` with options, for type checkers."""

    @overload
    def __call__(self, func: Callable[Params, Coroutine[Any, Any, R]], /) -> Task[Params, R]: ...

    @overload
    def __call__(self, func: Callable[Params, R], /) -> Task[Params, R]: ...

    def __call__(self, func: Callable[..., Any], /) -> Task[..., Any]:
        raise NotImplementedError
