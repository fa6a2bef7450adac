"""Recovery as pynenc has it: as tasks. Runners recover by themselves, so nothing needs to call these.

`app.register_core_tasks()` makes them tasks of an app, so that a call has a runner recover at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from pynenc import context
from pynenc.exceptions import RunnerError

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.task import Task

CoreTaskFunction: TypeAlias = Callable[..., Any]
"""A function of a module that every app may have as a task."""


@dataclass(frozen=True)
class CoreTaskDefinition:
    """A function and the options of its task."""

    func: CoreTaskFunction
    options: dict[str, Any] = field(default_factory=dict)

    def register(self, app: Pynenc) -> Task[..., Any]:
        """Make it a task of the app, unless it is one; the task."""
        from pynenc.task import Task

        task: Task[..., Any] = Task(app, self.func, dict(self.options))
        return app.tasks.setdefault(task.task_id, task)


class CoreTaskRegistry:
    """What `app.register_core_tasks()` makes tasks of an app."""

    def __init__(self) -> None:
        self._definitions: dict[str, CoreTaskDefinition] = {}

    def register(self, func: CoreTaskFunction, **options: Any) -> CoreTaskFunction:
        """Add a function with the options of its task, once; the function."""
        self._definitions.setdefault(f"{func.__module__}.{func.__qualname__}", CoreTaskDefinition(func, options))
        return func

    def __iter__(self) -> Iterator[CoreTaskDefinition]:
        return iter(list(self._definitions.values()))

    def __len__(self) -> int:
        return len(self._definitions)


def recover_pending_invocations() -> int:
    """Queue again what dead runners had claimed; how many. Both functions do this: the store has one step for it."""
    return _recover("recover_pending_invocations")


def recover_running_invocations() -> int:
    """Queue again what dead runners were running; how many."""
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
        requeued, buried = app._store.recover(app.conf.max_recoveries)
        count += len(requeued)
        if not (requeued or buried):
            return count
