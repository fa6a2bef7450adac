"""Decide by the annotation, without encoding, whether a value certainly comes back from JSON unchanged.

This module recognises plain JSON values and the usual classes by a walk through them, without calling user code. All
other values are encoded, decoded and compared: see `differences.py`.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import pathlib
import types
import typing
import uuid
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, get_args, get_origin

import msgspec

from pynenc.serializer.app_values import is_invocation_class, is_task
from pynenc.serializer.checks import MAX_DEPTH, SCALARS
from pynenc.serializer.hooks import is_json_serializable

Sure = Callable[[Any, int], bool]
"""A function of a value and its depth: whether the value certainly comes back. False means unknown."""

_NOTHING: frozenset[type] = frozenset()
_ONLY_FLOATS = {float}
_ONLY_TEXT = {str}
_LEAVES = frozenset({type(None), bool, int, str, bytes, bytearray, date, timedelta, Decimal, uuid.UUID})
"""Types of which every value of exactly this type comes back through its annotation."""
_LISTS = (
    list, collections.abc.Sequence, collections.abc.MutableSequence, collections.abc.Collection,
    collections.abc.Iterable,
)  # fmt: skip
_SETS = (set, collections.abc.Set, collections.abc.MutableSet)
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def quick_types(hint: Any) -> frozenset[type]:
    """Return the scalar types of which every value certainly comes back under this annotation."""
    return SCALARS if hint is Any or hint is object else _exact_types(_bare(hint)) & SCALARS


def is_plain(value: Any, depth: int = 0) -> bool:
    """Return whether a value consists only of None, bool, int, str, finite floats, lists, and dicts with text keys."""
    kind = type(value)
    if kind in SCALARS:
        return True
    if kind is float:
        return isfinite(value)
    items: Collection[Any]
    if kind is list:
        items = value
    elif kind is dict and (set(map(type, value)) <= _ONLY_TEXT or all(map(_is_text, value))):
        items = value.values()
    else:
        return _is_text(value)
    if depth >= MAX_DEPTH:
        return False
    # This loop runs in C: a large list of scalars costs a few nanoseconds per item.
    kinds = set(map(type, items))
    if kinds <= SCALARS:
        return True
    if kinds == _ONLY_FLOATS:
        return all(map(isfinite, items))
    return all(type(item) in SCALARS or is_plain(item, depth + 1) for item in items)


class Conformity:
    """Builds the `Sure` of annotations for one app. Each class is built once, because it may contain itself."""

    def __init__(self, app_id: str) -> None:
        self._app_id = app_id
        self._classes: dict[Any, Sure | None] = {}

    def of(self, hint: Any, bound: dict[Any, Any] | None = None) -> Sure | None:
        """Return the check of values with this annotation; None if no value is certain."""
        hint = _bare(hint, bound)
        if hint is Any or hint is object:
            return is_plain
        if hint is str or hint is int:
            # A subclass, such as a StrEnum, is accepted too: the annotation requires only the base.
            return lambda value, depth: type(value) is hint or (isinstance(value, hint) and type(value) is not bool)
        union = get_origin(hint) in (typing.Union, types.UnionType)
        exact = _NOTHING if union else _exact_types(hint)
        if exact:
            return lambda value, depth: type(value) in exact
        if hint is float:
            return _float
        if hint in (datetime, time):
            return lambda value, depth: type(value) is hint and _has_offset_of_minutes(value)
        kind, parameters = get_origin(hint) or hint, get_args(hint)
        if kind is typing.Literal:
            return _literal(parameters)
        if union:
            return self._union(parameters, bound)
        if not isinstance(kind, type):
            return None
        if kind in _LISTS:
            return self._many(list, parameters[0] if parameters else Any, bound)
        if kind in _SETS or kind is frozenset:
            return self._many(set if kind in _SETS else frozenset, parameters[0] if parameters else Any, bound)
        if kind is tuple:
            return self._tuple(parameters, bound)
        if kind in _DICTS:
            return self._dict(parameters, bound)
        return self._class(hint, kind, parameters, bound)

    def _union(self, parameters: tuple[Any, ...], bound: dict[Any, Any] | None) -> Sure | None:
        others = [one for one in parameters if one is not type(None)]
        if len(others) != 1:
            # The decoder must choose between several classes; it can distinguish scalars.
            checks = [self.of(one, bound) for one in parameters]
            return _any_of(checks) if all(_is_scalar(_bare(one, bound)) for one in parameters) else None
        inner = self.of(others[0], bound)
        return None if inner is None else lambda value, depth: value is None or inner(value, depth)

    def _many(self, container: type[Any], item: Any, bound: dict[Any, Any] | None) -> Sure | None:
        if container is not list and _bare(item, bound) is Any:
            # The decoder makes lists of untyped elements, and no set contains lists.
            item = bool | int | str | None
        inner = self.of(item, bound)
        if inner is None:
            return None
        exact, floats = quick_types(_bare(item, bound)), _floats(_bare(item, bound))

        def check(value: Any, depth: int) -> bool:
            if type(value) is not container or depth >= MAX_DEPTH:
                return False
            items: Collection[Any] = value
            kinds = set(map(type, items))
            if kinds <= exact:
                return True
            return all(map(isfinite, items)) if kinds == floats else all(inner(one, depth + 1) for one in items)

        return check

    def _tuple(self, parameters: tuple[Any, ...], bound: dict[Any, Any] | None) -> Sure | None:
        if not parameters:
            return self._many(tuple, Any, bound)
        if len(parameters) == 2 and parameters[1] is Ellipsis:
            return self._many(tuple, parameters[0], bound)
        checks = [self.of(one, bound) for one in parameters]
        return None if None in checks else _positions(tuple, checks)  # type: ignore[arg-type]

    def _dict(self, parameters: tuple[Any, ...], bound: dict[Any, Any] | None) -> Sure | None:
        key, item = parameters or (Any, Any)
        key = _bare(key, bound)
        keys = frozenset({str}) if key is Any else _exact_types(key)
        inner = self.of(item, bound)
        if inner is None or len(keys) != 1:
            return None
        exact, floats = quick_types(_bare(item, bound)), _floats(_bare(item, bound))
        # Keys follow the rule of values: subclasses fit where the annotation is the base.
        fits = _is_text if key is Any else _is_str if key is str else _is_int if key is int else None

        def check(value: Any, depth: int) -> bool:
            if type(value) is not dict or depth >= MAX_DEPTH:
                return False
            if not set(map(type, value)) <= keys and not (fits and all(map(fits, value))):
                return False
            items = value.values()
            kinds = set(map(type, items))
            if kinds <= exact:
                return True
            return all(map(isfinite, items)) if kinds == floats else all(inner(one, depth + 1) for one in items)

        return check

    def _class(
        self, hint: Any, kind: type[Any], parameters: tuple[Any, ...], bound: dict[Any, Any] | None
    ) -> Sure | None:
        if is_invocation_class(kind) or is_task(kind):
            app_id = self._app_id
            return lambda value, depth: isinstance(value, kind) and value.app.app_id == app_id
        if typing.is_typeddict(kind) or dataclasses.is_dataclass(kind) or issubclass(kind, msgspec.Struct | tuple):
            if hint in self._classes:
                known = self._classes
                return lambda value, depth: bool((check := known[hint]) and check(value, depth))
            self._classes[hint] = None
            inside = dict(zip(getattr(kind, "__parameters__", ()), parameters, strict=False))
            self._classes[hint] = check = self._fields(kind, {**(bound or {}), **inside})
            return check
        if is_json_serializable(kind):
            # The class defines how its objects are encoded and decoded.
            return lambda value, depth: type(value) is kind
        return None

    def _fields(self, kind: type[Any], bound: dict[Any, Any]) -> Sure | None:
        try:
            hints = typing.get_type_hints(kind, include_extras=True)
        except Exception:
            return None
        if typing.is_typeddict(kind):
            keys = {name: self.of(_required(hint), bound) for name, hint in hints.items()}
            return _typed_dict(keys, frozenset(getattr(kind, "__required_keys__", ())))
        if issubclass(kind, tuple):
            checks = [self.of(hints.get(name, Any), bound) for name in getattr(kind, "_fields", ())]
            return None if None in checks or not checks else _positions(kind, checks)  # type: ignore[arg-type]
        names = getattr(kind, "__struct_fields__", None)
        if names is None:
            names = [one.name for one in dataclasses.fields(kind)]
        fields = {name: self.of(hints.get(name, Any), bound) for name in names}
        found = {name: check for name, check in fields.items() if check is not None}
        if len(found) < len(fields):
            return None

        def check(value: Any, depth: int) -> bool:
            if type(value) is not kind or depth >= MAX_DEPTH:
                return False
            try:
                return all(one(getattr(value, name), depth + 1) for name, one in found.items())
            except AttributeError:
                return False

        return check


def _exact_types(hint: Any) -> frozenset[type]:
    """Return the types of which every value comes back under this annotation, if the type alone decides."""
    if hint is None:
        return frozenset({type(None)})
    if get_origin(hint) in (typing.Union, types.UnionType):
        parts = [_exact_types(_bare(one)) for one in get_args(hint)]
        scalars = all(part and part <= SCALARS for part in parts)
        return frozenset().union(*parts) if scalars else _NOTHING
    if not isinstance(hint, type):
        return _NOTHING
    if hint in _LEAVES or issubclass(hint, enum.Enum):
        return frozenset({hint})
    if hint in (pathlib.Path, pathlib.PurePath):
        return frozenset({type(hint())})
    return _NOTHING


def _floats(hint: Any) -> set[type[float]] | None:
    """Return the types of elements that must only be finite: floats, annotated as such or not annotated."""
    return _ONLY_FLOATS if hint is float or hint is Any or hint is object else None


def _is_scalar(hint: Any) -> bool:
    return hint is float or hint is None or hint in SCALARS


def _is_text(value: Any) -> bool:
    """Return whether a value is text, or an id of pynenc, which is text too."""
    kind = type(value)
    return kind is str or (issubclass(kind, str) and kind.__module__.startswith("pynenc."))


def _is_str(value: Any) -> bool:
    return isinstance(value, str)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and type(value) is not bool


def _float(value: Any, depth: int) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    return type(value) is int and abs(value) <= 2**53


def _has_offset_of_minutes(value: datetime | time) -> bool:
    if value.tzinfo is None or value.tzinfo is UTC:
        return True
    offset = value.utcoffset()
    return offset is None or not offset.total_seconds() % 60


def _literal(values: tuple[Any, ...]) -> Sure:
    known = {(type(value), value) for value in values if type(value) in SCALARS}
    return lambda value, depth: type(value) in SCALARS and (type(value), value) in known


def _any_of(checks: list[Sure | None]) -> Sure | None:
    found = [check for check in checks if check is not None]
    return (lambda value, depth: any(check(value, depth) for check in found)) if len(found) == len(checks) else None


def _positions(kind: type[Any], checks: list[Sure]) -> Sure:
    def check(value: Any, depth: int) -> bool:
        if type(value) is not kind or len(value) != len(checks) or depth >= MAX_DEPTH:
            return False
        return all(one(item, depth + 1) for one, item in zip(checks, value, strict=True))

    return check


def _typed_dict(checks: dict[str, Sure | None], required: frozenset[str]) -> Sure:
    def check(value: Any, depth: int) -> bool:
        if type(value) is not dict or depth >= MAX_DEPTH or not value.keys() >= required:
            return False
        return all((one := checks.get(key)) is not None and one(item, depth + 1) for key, item in value.items())

    return check


def _required(hint: Any) -> Any:
    while getattr(get_origin(hint), "_name", "") in ("Required", "NotRequired", "ReadOnly"):
        hint = get_args(hint)[0]
    return hint


def _bare(hint: Any, bound: dict[Any, Any] | None = None) -> Any:
    """Return an annotation without `NewType`, aliases and type variables, which do not affect the encoding."""
    for _ in range(50):
        if isinstance(hint, typing.TypeVar):
            hint = (bound or {}).get(hint, object())
        elif hasattr(hint, "__supertype__"):
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":
            hint = hint.__value__
        else:
            return hint
    return object()
