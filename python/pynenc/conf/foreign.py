"""Support fields of other configuration libraries in a user's configuration class.

Classes written for pynenc declare their fields with cistell's `ConfigField`. A similar object is converted: to a
default, and possibly a function that converts the text of a source.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def is_foreign_field(value: Any) -> bool:
    """Return whether a class attribute is a field of another library: an instance with a `default_value`."""
    return not isinstance(value, type) and hasattr(value, "default_value")


def default_of(field: Any) -> Any:
    """Return the default of a field, which may be an attribute or a method."""
    default = field.default_value
    return default() if inspect.ismethod(default) else default


def parser_of(field: Any, kind: type) -> Callable[[Any], Any] | None:
    """Return the mapper of a field as a function of the value alone; None if the field has no mapper.

    A mapper takes the value, or the value and the type of the default. Its exceptions become a `ValueError` with the
    words after `must`.
    """
    mapper = getattr(field, "mapper", None) or getattr(field, "_mapper", None)
    if not callable(mapper) or getattr(mapper, "__name__", "").startswith("default_"):
        # The library's default calls the type, for which the text "False" is true. `_convert` parses the text.
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
