"""Questions about annotations: what is inside the wrappers, and whether hashes of its values can be chosen."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from datetime import date, time
from typing import Any, get_args, get_origin

import msgspec

_SAFE = (str, bytes, bytearray, bool, type(None), enum.Enum, date, time)
"""Types with few values, or with hashes that only this process can compute."""


def bare(hint: Any, bound: dict[Any, Any]) -> Any:
    """Return an annotation without `Annotated`, `NewType`, aliases and `Required`, which do not affect values."""
    for _ in range(50):
        if isinstance(hint, typing.TypeVar):
            hint = bound.get(hint, hint.__bound__ or Any)
        elif hasattr(hint, "__supertype__"):
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":
            hint = hint.__value__
        elif get_origin(hint) is typing.Annotated or getattr(get_origin(hint), "_name", "") in _WRAPPERS:
            hint = get_args(hint)[0]
        elif type(get_origin(hint)).__name__ == "TypeAliasType":
            alias = get_origin(hint)
            bound = {**bound, **dict(zip(alias.__type_params__, get_args(hint), strict=False))}
            hint = alias.__value__
        else:
            return hint
    return Any


_WRAPPERS = ("Required", "NotRequired", "ReadOnly", "ClassVar", "Final")


def filled(hint: Any, bound: dict[Any, Any]) -> Any:
    """Return an annotation with its type variables filled in, for a decoder."""
    if isinstance(hint, typing.TypeVar):
        return bare(hint, bound)
    parameters = getattr(hint, "__parameters__", ())
    if bound and parameters and get_origin(hint) is not None:
        return hint[tuple(bare(one, bound) for one in parameters)]
    return hint


def has_safe_hashes(hint: Any) -> bool:
    """Return whether an attacker cannot compute many different values with one hash."""
    if hint is Any or get_origin(hint) is typing.Literal:
        # Without an annotation elements are texts, numbers or lists; `_set` counts the numbers.
        return hint is not Any
    if get_origin(hint) in (typing.Union, types.UnionType):
        return all(has_safe_hashes(one) for one in get_args(hint))
    if not isinstance(hint, type):
        return False
    # The author of an enumeration limits the number of its values.
    return issubclass(hint, _SAFE)


def has_fields(kind: type[Any]) -> bool:
    """Return whether a class has fields: a struct, dataclass, attrs class, `TypedDict` or `NamedTuple`."""
    return (
        issubclass(kind, msgspec.Struct)
        or dataclasses.is_dataclass(kind)
        or hasattr(kind, "__attrs_attrs__")
        or typing.is_typeddict(kind)
        or (issubclass(kind, tuple) and hasattr(kind, "_fields"))
    )
