"""The type variables that tasks, calls and invocations share."""

from __future__ import annotations

from typing import ParamSpec, TypeVar

Params = ParamSpec("Params")
"""The parameters of a task, as a type variable."""

Result = TypeVar("Result", covariant=True)
"""The type of what a task returns, as a type variable. Covariant: tasks and invocations only return it."""
