"""The type variables that tasks, calls and invocations share."""

from __future__ import annotations

from typing import ParamSpec, TypeVar

Params = ParamSpec("Params")
"""The parameters of a task."""

Result = TypeVar("Result", covariant=True)
"""What a task returns. Tasks and invocations only give it out."""
