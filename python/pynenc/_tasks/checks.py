"""Check the declaration of a task."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from pynenc._tasks.not_offered import no_triggers, no_workflows
from pynenc.conf.task_options import instead_of
from pynenc.exceptions import InvalidTaskOptionsError


def check_function(func: Any) -> None:
    """Raise `ValueError` or `RuntimeError` for a function that a runner could not find by its name."""
    name = getattr(func, "__qualname__", None)
    if not callable(func) or name is None or not hasattr(func, "__module__") or isinstance(func, type):
        raise ValueError(f"only a function can be a task, got {type(func).__name__}")
    if "<lambda>" in name:
        raise ValueError("a lambda cannot be a task: a runner could not find it by name; write a function with `def`")
    if "." in name:
        raise ValueError(
            f"{func.__module__}.{name} cannot be a task: it is nested in a function or class, where a runner could not "
            "find it; move it to the level of the module"
        )
    if "__main__" in func.__module__:
        raise RuntimeError(
            "Cannot create a task from a function in the __main__ module: a runner could not import it; "
            f"move {name} to a module of its own and import it from there"
        )


def check_options(task_id: str, options: dict[str, Any], known: Iterable[str]) -> None:
    """Raise `InvalidTaskOptionsError` for an option that does not exist."""
    for name in options:
        if name not in known:
            raise InvalidTaskOptionsError(task_id, f"task {task_id} has no option {name!r}: {instead_of(name, known)}")


def refuse_what_is_not_offered(task_id: str, options: dict[str, Any]) -> None:
    """Remove the options of missing features; raise if one of them requests such a feature."""
    triggers = options.pop("triggers", None)
    if triggers:
        raise no_triggers(f"task {task_id} was declared with triggers")
    if "force_new_workflow" in options:
        warnings.warn(
            f"task {task_id}: force_new_workflow is deprecated, @app.workflow took its place",
            DeprecationWarning,
            stacklevel=5,
        )
    for name in ("force_new_workflow", "is_workflow_task"):
        if options.pop(name, False):
            raise no_workflows(f"task {task_id} was declared with {name}")
