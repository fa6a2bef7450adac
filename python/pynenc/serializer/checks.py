"""Find values that JSON would change silently, before they are encoded.

`msgspec` writes NaN as `null`, the key 1 as `"1"`, and a task as the dict that names it. It also nests as deep as the C
stack allows, but the stack of the reading process may be smaller.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from datetime import datetime, time
from math import isfinite
from typing import Any

from pynenc.serializer.app_values import is_invocation_class, is_task

MAX_DEPTH = 200
"""The maximum depth of nested containers."""

SCALARS: frozenset[type] = frozenset({str, int, bool, type(None)})
"""Types of which every value has its own JSON form."""

_SECONDS_PER_MINUTE = 60


class NotRepresentableError(ValueError):
    """JSON would change this value. The message has the reason and the remedy."""


def inspect_value(value: Any) -> list[Any]:
    """Refuse a value that JSON would change; return the tasks and invocations in it, which belong to an app.

    Raises:
        NotRepresentableError: with the reason in words.
    """
    if type(value) in SCALARS:
        return []
    walk = _Walk()
    walk.one(value, 0)
    return walk.of_apps


class _Walk:
    __slots__ = ("of_apps",)

    def __init__(self) -> None:
        self.of_apps: list[Any] = []

    def one(self, value: Any, depth: int) -> None:
        """Inspect a value whose type is not in `SCALARS`."""
        kind = type(value)
        if isinstance(value, float) and not isfinite(value):
            # A subclass of float, such as NumPy's, would also arrive as null.
            raise NotRepresentableError(f"JSON has no form of the number {float.__repr__(value)}")
        if kind is float:
            return
        if isinstance(value, dict):
            self._keys(value)
            self._many(value.values(), depth + 1)
        elif isinstance(value, (list, tuple | set | frozenset)):
            self._many(value, depth + 1)
        elif isinstance(value, datetime | time):
            _check_offset(value)
        elif is_task(kind) or is_invocation_class(kind):
            self.of_apps.append(value)
        else:
            fields = fields_of_value(value)
            if hasattr(kind, "__attrs_attrs__"):
                _check_attrs(kind, fields)
            self._many(fields.values(), depth + 1)

    def _keys(self, value: dict[Any, Any]) -> None:
        # This loop runs in C: a large dict of text keys costs a few nanoseconds per key.
        kinds = set(map(type, value))
        if kinds <= {str}:
            return
        if not _all_finite(key for key in value if isinstance(key, float)):
            raise NotRepresentableError("a key is not a finite number, of which JSON has no form")

    def _many(self, values: Collection[Any], depth: int) -> None:
        if depth > MAX_DEPTH:
            raise NotRepresentableError(f"it is nested deeper than {MAX_DEPTH} levels, or contains itself")
        kinds = set(map(type, values))
        if kinds <= SCALARS:
            return
        if kinds == {float}:
            if not _all_finite(values):
                raise NotRepresentableError("it contains a number that is not finite, of which JSON has no form")
            return
        for value in values:
            if type(value) not in SCALARS:
                self.one(value, depth)


def _all_finite(numbers: Iterable[float]) -> bool:
    return all(map(isfinite, numbers))


def _check_offset(value: datetime | time) -> None:
    offset = value.utcoffset()
    if offset is not None and offset.total_seconds() % _SECONDS_PER_MINUTE:
        raise NotRepresentableError(f"the offset of {value} from UTC is not a whole number of minutes; use UTC")


def _check_attrs(kind: type[Any], names: Iterable[str]) -> None:
    private = sorted(name for name in names if name.startswith("_"))
    if private:
        raise NotRepresentableError(
            f"fields of attrs classes whose names begin with an underscore do not travel, and {kind.__qualname__} has "
            f"{', '.join(private)}; rename them"
        )


def fields_of_value(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass, `msgspec.Struct` or attrs object by name; empty for other objects."""
    kind = type(value)
    names: Iterable[str] | None = getattr(kind, "__struct_fields__", None)
    if names is None and hasattr(kind, "__dataclass_fields__"):
        names = [field.name for field in dataclasses.fields(kind)]
    if names is None:
        names = [attribute.name for attribute in getattr(kind, "__attrs_attrs__", ())]
    return {name: getattr(value, name) for name in names if hasattr(value, name)}
