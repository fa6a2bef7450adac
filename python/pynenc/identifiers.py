"""Ids as text that knows its parts: equal to, hashed like, and usable as the plain `str`."""

from __future__ import annotations

from typing import Any

# Of pynenc's package only the paths are left; see `pynenc._compat.paths`.
__path__: list[str] = []


class TaskId(str):
    """`"<module>.<function>"`. Made of the two parts, or of the whole text, which is then split at its last dot."""

    module: str
    func_name: str

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
        """The id whose `key` this is."""
        return cls(key)

    @property
    def key(self) -> str:
        """The text itself."""
        return str.__str__(self)

    @property
    def config_key(self) -> str:
        """`"<module>#<function>"`: how an environment variable names the task, once upper-cased."""
        return f"{self.module}#{self.func_name}"


class CallId(str):
    """`"<task id>:<args id>"`: one task with one set of arguments."""

    task_id: TaskId
    args_id: str

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
        """The id whose `key` this is."""
        return cls(key)

    @property
    def key(self) -> str:
        """The text itself."""
        return str.__str__(self)


class InvocationId(str):
    """The id of one invocation: a UUID as text, ordered by time of submission."""

    @property
    def key(self) -> str:
        """The text itself."""
        return str.__str__(self)
