"""Recovery as tasks, as in pynenc. Runners recover by themselves, so nothing needs to call these.

`app.register_core_tasks()` makes them tasks of an app; calling one then has a runner recover at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from pynenc import context
from pynenc._kernel.runtime import runtime_of
from pynenc.exceptions import RunnerError

if TYPE_CHECKING:
    from pynenc._kernel.shapes import AppShape
    from pynenc.task import Task

CoreTaskFunction: TypeAlias = Callable[..., Any]
"""A function of a module that every app may have as a task."""


@dataclass(frozen=True)
class CoreTaskDefinition:
    """A function and the options of its task."""

    func: CoreTaskFunction
    """The function, at the level of a module."""
    options: dict[str, Any] = field(default_factory=dict)
    """The options, as for `@app.task`."""

    def register(self, app: AppShape) -> Task[..., Any]:
        """Make the function a task of an app, unless it is one.

        Args:
            app: the app.
        Returns:
            The task.
        """
        from pynenc.task import Task

        owner: Any = app
        task: Task[..., Any] = Task(owner, self.func, dict(self.options))
        known: Task[..., Any] = app.tasks.setdefault(task.task_id, task)
        return known


class CoreTaskRegistry:
    """The functions that `app.register_core_tasks()` makes tasks. Iterable over their definitions, and has a length."""

    def __init__(self) -> None:
        self._definitions: dict[str, CoreTaskDefinition] = {}

    def register(self, func: CoreTaskFunction, **options: Any) -> CoreTaskFunction:
        """Add a function, unless it was added.

        Args:
            func: the function, at the level of a module.
            **options: the options of its task.
        Returns:
            The function.
        """
        self._definitions.setdefault(f"{func.__module__}.{func.__qualname__}", CoreTaskDefinition(func, options))
        return func

    def __iter__(self) -> Iterator[CoreTaskDefinition]:
        return iter(list(self._definitions.values()))

    def __len__(self) -> int:
        return len(self._definitions)


def recover_pending_invocations() -> int:
    """Queue again what dead runners had claimed or were running. The store has one step for both.

    Blocks for its writes to the store.

    Returns:
        The number of invocations that were queued.
    Raises:
        RunnerError: called outside of a task or runner.
    """
    return _recover("recover_pending_invocations")


def recover_running_invocations() -> int:
    """Queue again what dead runners had claimed or were running. The store has one step for both.

    Blocks for its writes to the store.

    Returns:
        The number of invocations that were queued.
    Raises:
        RunnerError: called outside of a task or runner.
    """
    return _recover("recover_running_invocations")


core_tasks_registry = CoreTaskRegistry()
core_tasks_registry.register(recover_pending_invocations, running_concurrency="task")
core_tasks_registry.register(recover_running_invocations, running_concurrency="task")


def _recover(name: str) -> int:
    app = context.get_current_app()
    if app is None:
        raise RunnerError(
            f"pynenc.core_tasks.{name} works on the app whose task or runner it runs in, and there is none here: "
            "call app.register_core_tasks() and then the task with this name"
        )
    count = 0
    while True:
        requeued, buried = runtime_of(app).store.recover(app.conf.max_recoveries)
        count += len(requeued)
        if not (requeued or buried):
            return count
