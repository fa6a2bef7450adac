"""Detect classes whose decoding runs user code, which may take any time."""

from __future__ import annotations

import enum
import sys
from typing import Any

_VALIDATORS = ("validators", "field_validators", "root_validators", "model_validators")
_METHODS = ("from_json", "__post_init__", "__attrs_post_init__")


def runs_user_code(kind: Any) -> bool:
    """Return whether creating an object of this class from JSON runs methods of the user."""
    if kind.__module__ == "builtins" or kind.__module__.startswith("pynenc."):
        return False
    if is_pydantic(kind):
        decorators = getattr(kind, "__pydantic_decorators__", None)
        base = sys.modules["pydantic"].BaseModel
        return kind.model_post_init is not base.model_post_init or any(
            getattr(decorators, one, None) for one in _VALIDATORS
        )
    if issubclass(kind, enum.Enum):
        return getattr(kind._missing_, "__func__", None) is not getattr(enum.Enum._missing_, "__func__", None)
    if issubclass(kind, (str, int, float)):
        own = [vars(one) for one in kind.__mro__ if one.__module__ != "builtins"]
        return any(names.keys() & {"__new__", "__init__"} for names in own)
    attributes = getattr(kind, "__attrs_attrs__", ())
    if any(one.converter is not None or one.validator is not None for one in attributes):
        return True
    return any(hasattr(kind, name) for name in _METHODS)


def is_pydantic(kind: type[Any]) -> bool:
    """Return whether this is a pydantic model. Imports nothing: a caller with one has imported pydantic."""
    module = sys.modules.get("pydantic")
    base = getattr(module, "BaseModel", None)
    return isinstance(base, type) and issubclass(kind, base)
