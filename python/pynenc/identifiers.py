"""Ids that know their parts. Each is a `str`: equal to the plain text, and hashed like it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Of pynenc's package only the paths are left; see `pynenc._compat.paths`.
__path__: list[str] = []


class TaskId(str):
    """The id of a task, `"<module>.<function>"`.

    Args:
        module: the name of the module; without `func_name` the whole id, which is split at its last dot.
        func_name: the name of the function.

    Example:
        >>> task_id = TaskId("shop.orders", "pack")
        >>> task_id == "shop.orders.pack", TaskId("shop.orders.pack").func_name
        (True, 'pack')
    """

    module: str
    """The name of the module."""
    func_name: str
    """The name of the function."""

    def __new__(cls, module: str, func_name: str | None = None) -> TaskId:
        if func_name is None:
            module, _, func_name = str(module).rpartition(".")
        self = super().__new__(cls, f"{module}.{func_name}" if module else func_name)
        self.module = module
        self.func_name = func_name
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return TaskId, (self.module, self.func_name)

    @classmethod
    def from_key(cls, key: str) -> TaskId:
        """Read an id.

        Args:
            key: its `key`.
        Returns:
            The id.
        """
        return cls(key)

    @property
    def key(self) -> str:
        """The text of the id."""
        return str.__str__(self)

    @property
    def config_key(self) -> str:
        """`"<module>#<function>"`: the name of the task in an environment variable, there in upper case."""
        return f"{self.module}#{self.func_name}"


class CallId(str):
    """The id of a task with one set of arguments, `"<task id>:<args id>"`.

    Args:
        task_id: the id of the task; without `args_id` the whole id, which is split at its last colon.
        args_id: the id of the arguments.
    """

    task_id: TaskId
    """The id of the task."""
    args_id: str
    """The id of the arguments."""

    def __new__(cls, task_id: TaskId | str, args_id: str | None = None) -> CallId:
        if args_id is None:
            task_id, _, args_id = str(task_id).rpartition(":")
        task = task_id if isinstance(task_id, TaskId) else TaskId(task_id)
        self = super().__new__(cls, f"{task}:{args_id}")
        self.task_id = task
        self.args_id = args_id
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return CallId, (self.task_id, self.args_id)

    @classmethod
    def from_key(cls, key: str) -> CallId:
        """Read an id.

        Args:
            key: its `key`.
        Returns:
            The id.
        """
        return cls(key)

    @property
    def key(self) -> str:
        """The text of the id."""
        return str.__str__(self)


class InvocationId(str):
    """The id of an invocation: a UUID as text, ordered by time of submission."""

    @property
    def key(self) -> str:
        """The text of the id."""
        return str.__str__(self)


@dataclass(frozen=True)
class WorkflowIdentity:
    """The workflow that an invocation belongs to."""

    workflow_id: str
    """The id of its root invocation."""
    workflow_type: TaskId
    """The id of the task of its root."""
    parent_workflow_id: str | None = None
    """The workflow that started it; None if none did."""

    @property
    def is_subworkflow(self) -> bool:
        """Whether another workflow started it."""
        return self.parent_workflow_id is not None
