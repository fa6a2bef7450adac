"""Fields of other configuration libraries in a configuration class of a user.

Classes written for pynenc declare their fields with cistell's `ConfigField`. What behaves like one is taken for what it
means: a default, and perhaps a function that makes a value of what a source has.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def is_foreign_field(value: Any) -> bool:
    """Whether this attribute of a class is a field of another library: it has a `default_value`, and is no class."""
    return not isinstance(value, type) and hasattr(value, "default_value")


def default_of(field: Any) -> Any:
    """Its default, whether that is an attribute or a method."""
    default = field.default_value
    return default() if inspect.ismethod(default) else default


def parser_of(field: Any, kind: type) -> Callable[[Any], Any] | None:
    """Its mapper as a function of the value alone; None if it has none of its own.

    A mapper takes the value, or the value and the type of the default. What it raises becomes a `ValueError` with the
    words after `must`.
    """
    mapper = getattr(field, "mapper", None) or getattr(field, "_mapper", None)
    if not callable(mapper) or getattr(mapper, "__name__", "").startswith("default_"):
        # The library's default calls the type, for which the text "False" is true. Ours reads it.
        return None
    wants_kind = _positional_parameters(mapper) > 1

    def parse(value: Any) -> Any:
        try:
            return mapper(value, kind) if wants_kind else mapper(value)
        except Exception as error:
            raise ValueError(f"must be what its mapper accepts ({type(error).__name__}: {error})") from error

    return parse


def _positional_parameters(mapper: Callable[..., Any]) -> int:
    try:
        parameters = inspect.signature(mapper).parameters.values()
    except (TypeError, ValueError):
        # A builtin such as `int`.
        return 1
    required = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in required and one.default is inspect.Parameter.empty for one in parameters)
