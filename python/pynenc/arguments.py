"""Step 1, call: the arguments of one call, by name."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pynenc._kernel.runtime import runtime_of
from pynenc._kernel.shapes import signature_of
from pynenc.util.signature import Bound

if TYPE_CHECKING:
    from pynenc._kernel.shapes import TaskShape

NO_ARGS = "no_args"
"""The id of an empty set of arguments."""


def hash_texts(texts: Mapping[str, str]) -> str:
    """Return one id for a set of arguments: SHA-256 over `"name"="text";`, sorted by name.

    Args:
        texts: the canonical text of each argument, by name.
    Returns:
        The hash in hexadecimal; `"no_args"` for no arguments.
    """
    if not texts:
        return NO_ARGS
    digest = hashlib.sha256()
    for name in sorted(texts):
        digest.update(f"{_quoted(name)}={_quoted(texts[name])};".encode())
    return digest.hexdigest()


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


class Arguments:
    """The arguments of one call, in `kwargs`: a value for every parameter. Equal if their canonical texts are.

    `task.args(…)` makes them; `task.parallelize` takes them.

    Args:
        kwargs: the arguments by name.
        task: the task whose annotations decide their texts; None uses JSON.

    Example:
        >>> add.args(1, y=2).kwargs
        {'x': 1, 'y': 2}
        >>> add.args(1, 2) == add.args(y=2, x=1)
        True
    """

    __slots__ = ("_args_id", "_passed", "_task", "kwargs")

    def __init__(self, kwargs: dict[str, Any] | None = None, task: TaskShape | None = None) -> None:
        self.kwargs: dict[str, Any] = {} if kwargs is None else kwargs
        self._task = task
        self._args_id: str | None = None
        self._passed: dict[str, Any] | None = None

    @classmethod
    def of_bound(cls, bound: dict[str, Any], task: TaskShape) -> Arguments:
        """Return the arguments that a task has bound.

        `kwargs` has the defaults too, `passed` only what the caller gave.

        Args:
            bound: the arguments that the caller gave, by name.
            task: the task.
        Returns:
            The arguments.
        """
        arguments = cls(signature_of(task).filled(bound), task)
        arguments._passed = bound
        return arguments

    @property
    def passed(self) -> dict[str, Any]:
        """The arguments that the caller gave, without the defaults; `kwargs` if it was changed since."""
        bound, task = self._passed, self._task
        if bound is None or task is None:
            return self.kwargs
        filled = signature_of(task).filled(bound)
        if self.kwargs.keys() == filled.keys() and all(_same(self.kwargs[name], filled[name]) for name in filled):
            return bound
        return Bound(self.kwargs, bound.positional, bound.by_outer) if isinstance(bound, Bound) else self.kwargs

    @classmethod
    def from_call(cls, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Arguments:
        """Return the arguments that a function would get.

        Args:
            func: the function.
            *args: positional arguments for it.
            **kwargs: keyword arguments for it.
        Returns:
            The arguments, defaults included.
        Raises:
            TypeError: the arguments do not fit the signature.
        """
        bound = inspect.signature(func).bind(*args, **kwargs)
        bound.apply_defaults()
        return cls(dict(bound.arguments))

    @property
    def args_id(self) -> str:
        """A hash over the canonical texts, or `"no_args"`. Raises `SerializationError` for a value without a text."""
        if self._args_id is None:
            self._args_id = hash_texts(self._texts())
        return self._args_id

    def _texts(self) -> dict[str, str]:
        if self._task is not None:
            return runtime_of(self._task.app).codec.argument_texts(self._task, self.kwargs)
        from pynenc.serializer.json_serializer import JsonSerializer

        return {name: JsonSerializer.serialize(value) for name, value in self.kwargs.items()}

    def __hash__(self) -> int:
        return hash(self.args_id)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Arguments):
            return NotImplemented
        return self.args_id == other.args_id

    def __str__(self) -> str:
        """Return the arguments as `print_arguments`, `argument_print_mode` and `truncate_arguments_length` say.

        Returns:
            One line of text.
        """
        if not self.kwargs:
            return "<no_args>"
        conf = None if self._task is None else self._task.app.conf
        mode = "TRUNCATED" if conf is None else _mode(conf)
        if mode == "HIDDEN":
            return "<arguments hidden>"
        if mode == "KEYS":
            return f"args({', '.join(self.kwargs)})"
        limit = None if mode == "FULL" else 32 if conf is None else int(conf.truncate_arguments_length)
        return f"args({', '.join(f'{name}={_shown(value, limit)}' for name, value in self.kwargs.items())})"

    def __repr__(self) -> str:
        return f"Arguments({self})"


def _same(value: Any, filled: Any) -> bool:
    """The same object; what `*args` and `**kwargs` collect is made anew each time while it is empty."""
    return value is filled or (
        type(value) is type(filled) and type(filled) in (list, dict) and not value and not filled
    )


def _mode(conf: Any) -> str:
    if not conf.print_arguments:
        return "HIDDEN"
    return str(getattr(conf.argument_print_mode, "name", conf.argument_print_mode)).upper()


def _shown(value: Any, limit: int | None) -> str:
    try:
        text = str(value)
    except Exception as error:
        text = f"<{type(value).__name__}: {type(error).__name__} in __str__>"
    return text if limit is None or len(text) <= limit else f"{text[:limit]}..."
