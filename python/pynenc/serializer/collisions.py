"""Refuse payloads whose set elements, or dict keys, were chosen to have the same hash.

An attacker can compute Python's hashes of numbers, of UUIDs, and of tuples and objects made of them. Putting many
elements with one hash into a set takes quadratic time, in C and with the GIL held: 400 kB block a process for 15 s.
Before a payload is decoded by its annotations, the elements of its sets and the keys of its dicts are therefore decoded
as lists, in linear time, and counted by their hashes.
"""

from __future__ import annotations

import collections
import collections.abc
import json
import sys
import types
import typing
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, get_args, get_origin

import msgspec

from pynenc.serializer.checks import MAX_DEPTH
from pynenc.serializer.hints import bare, filled, has_fields, has_safe_hashes
from pynenc.serializer.user_code import is_pydantic, runs_user_code

MAX_EQUAL_HASHES = 64
"""The number of different elements with one hash that is accepted; they cost microseconds."""

MIN_BYTES = 1024
"""The size below which a payload cannot contain enough elements to matter."""

Raw = bytes | memoryview | msgspec.Raw
"""An encoded value."""

Check = Callable[[Raw, str, int], None]
"""A function that inspects a value with its path and depth in the payload. Raises `ValueError`."""

_SETS = (set, frozenset, collections.abc.Set, collections.abc.MutableSet)
_DICTS = (
    dict, Counter, collections.OrderedDict, collections.defaultdict, collections.abc.Mapping,
    collections.abc.MutableMapping,
)  # fmt: skip
_LISTS = (
    list, collections.deque, collections.abc.Sequence, collections.abc.MutableSequence, collections.abc.Collection,
    collections.abc.Iterable,
)  # fmt: skip


class Guard:
    """The check of payloads of one type. Thread-safe."""

    def __init__(self, check: Check) -> None:
        self._check = check

    def inspect(self, body: bytes | memoryview) -> None:
        """Inspect a payload in linear time. Raises `ValueError` if too many elements have the same hash."""
        if len(body) >= MIN_BYTES:
            self._check(body, "$", 0)


def guard_of_fields(
    fields: dict[str, Any], hook: Callable[[Any, Any], Any], *, whole: bool = False
) -> tuple[Guard | None, bool]:
    """Return the check of payloads that are one JSON object with these annotations, and whether they run user code.

    Args:
        whole: whether the payload is the value of the only field itself.

    Returns:
        The guard, None if no value has a computable hash; and whether decoding runs user code.
    """
    builder = _Builder(hook)
    children = {name: child for name, hint in fields.items() if (child := builder.of(hint, {})) is not None}
    if not builder.counts:
        return None, builder.runs_user_code
    return Guard(next(iter(children.values())) if whole else _object(children)), builder.runs_user_code


def _begins(raw: Raw) -> bytes:
    """Return the first byte of a value that is no space."""
    first = bytes(memoryview(raw)[:1])
    return bytes(raw).lstrip()[:1] if first.isspace() else first


_fields_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items_of = msgspec.json.Decoder(list[msgspec.Raw]).decode


def _members(raw: Raw) -> dict[str, msgspec.Raw]:
    """Return the values of an object by key. A repeated key is refused: a decoder would build each of its values.

    No encoder of pynenc repeats a key.
    """
    found = _fields_of(raw)
    # A shorter re-encoding means that keys repeat, or that another encoder has written the object.
    if len(msgspec.json.encode(found)) != len(memoryview(raw)):
        json.loads(str(raw, "utf-8"), object_pairs_hook=_without_repeats, parse_int=str, parse_float=str)
    return found


def _deeper(depth: int) -> int:
    if depth >= MAX_DEPTH:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
    return depth + 1


def _without_repeats(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("an object has a key twice")


class _Builder:
    """Builds the check of an annotation and of all its parts."""

    def __init__(self, hook: Callable[[Any, Any], Any]) -> None:
        self._hook = hook
        self._classes: dict[Any, list[Check]] = {}
        self.counts = False
        """Whether any value must be counted."""
        self.runs_user_code = False
        """Whether decoding runs methods or validators of the user."""

    def of(self, hint: Any, bound: dict[Any, Any], pydantic: bool = False) -> Check | None:
        """Return the check of values with this annotation; None if none is needed."""
        hint = bare(hint, bound)
        kind, parameters = get_origin(hint) or hint, get_args(hint)
        if kind in (typing.Union, types.UnionType):
            return _all_of(self.of(one, bound, pydantic) for one in parameters)
        if not isinstance(kind, type):
            return None
        if kind in _SETS:
            return self._set(_first(parameters), bound, pydantic)
        if kind in _DICTS:
            return self._dict(kind, parameters, bound, pydantic)
        if kind is tuple and parameters and parameters[-1] is not Ellipsis:
            return _positions([self.of(one, bound, pydantic) for one in parameters])
        if kind in _LISTS or kind is tuple:
            item = self.of(_first(parameters), bound, pydantic)
            return None if item is None else _items(item)
        return self._class(hint, kind, parameters, bound)

    def _set(self, item: Any, bound: dict[Any, Any], pydantic: bool) -> Check | None:
        inner = self.of(item, bound, pydantic)
        item = filled(item, bound)
        if inner is None and has_safe_hashes(bare(item, bound)):
            return None
        self.counts = True
        decode = self._decoder(list[item], pydantic)

        def check(raw: Raw, path: str, depth: int) -> None:
            if _begins(raw) != b"[":
                return
            if inner is not None:
                for index, one in enumerate(_items_of(raw)):
                    inner(one, f"{path}[{index}]", _deeper(depth))
            if len(memoryview(raw)) > 2 * MAX_EQUAL_HASHES:
                _count(_elements(raw, decode), f"elements of a set have the same hash - at `{path}`")

        return check

    def _dict(
        self, kind: type[Any], parameters: tuple[Any, ...], bound: dict[Any, Any], pydantic: bool
    ) -> Check | None:
        key = _first(parameters)
        value_hint = parameters[1] if len(parameters) > 1 else int if kind is Counter else Any
        inner = self.of(value_hint, bound, pydantic)
        key = filled(key, bound)
        plain = bare(key, bound)
        decode: Callable[[list[str]], list[Any]] | None = None
        if plain is not Any and not has_safe_hashes(plain):
            self.counts = True
            decode = self._key_decoder(key, pydantic)
        if decode is None and inner is None:
            return None

        def check(raw: Raw, path: str, depth: int) -> None:
            if _begins(raw) != b"{":
                return
            members = _members(raw)
            if decode is not None and len(members) > MAX_EQUAL_HASHES:
                _count(_keys(list(members), decode), f"keys of a dict have the same hash - at `{path}`")
            if inner is not None:
                for one in members.values():
                    inner(one, f"{path}[...]", _deeper(depth))

        return check

    def _decoder(self, many: Any, pydantic: bool) -> Callable[[Raw], list[Any]]:
        """Return a function that decodes a list of elements like the payload's decoder."""
        if pydantic:
            adapter = sys.modules["pydantic"].TypeAdapter(many)
            return lambda raw: list(adapter.validate_json(bytes(raw)))
        decode: Callable[[Raw], list[Any]] = msgspec.json.Decoder(many, dec_hook=self._hook).decode
        return decode

    def _key_decoder(self, key: Any, pydantic: bool) -> Callable[[list[str]], list[Any]]:
        if pydantic:
            decode = self._decoder(list[key], pydantic=True)
            return lambda keys: decode(msgspec.json.encode(keys))
        hook = self._hook
        return lambda items: list(msgspec.convert(items, list[key], dec_hook=hook, strict=False))

    def _class(self, hint: Any, kind: type[Any], parameters: tuple[Any, ...], bound: dict[Any, Any]) -> Check | None:
        """Return the check of a class with fields. It is built once, because a class may contain itself."""
        of_pydantic = is_pydantic(kind)
        self.runs_user_code = self.runs_user_code or runs_user_code(kind)
        if of_pydantic or has_fields(kind):
            known = self._classes.get(hint)
            if known is not None:
                return lambda raw, path, depth: known[0](raw, path, depth) if known else None
            made = self._classes[hint] = []
            typevars = getattr(kind, "__parameters__", ())
            inside = dict(zip(typevars, (filled(one, bound) for one in parameters), strict=False))
            check = self._pydantic(kind) if of_pydantic else self._fields(kind, inside)
            made.append(check or _nothing)
            return check
        return None

    def _fields(self, kind: type[Any], bound: dict[Any, Any]) -> Check | None:
        try:
            hints = typing.get_type_hints(kind, include_extras=True)
        except Exception:
            # The name exists only for type checkers: `msgspec` cannot decode it either.
            return None
        children = {name: self.of(hint, bound) for name, hint in hints.items()}
        if not any(children.values()):
            return None
        if issubclass(kind, tuple):
            return _positions([children.get(name) for name in getattr(kind, "_fields", ())])
        if issubclass(kind, msgspec.Struct):
            fields = msgspec.structs.fields(kind)
            if kind.__struct_config__.array_like:
                tag = [None] if kind.__struct_config__.tag is not None else []
                return _positions([*tag, *(children.get(field.name) for field in fields)])
            return _object({field.encode_name: one for field in fields if (one := children.get(field.name))})
        return _object({name: one for name, one in children.items() if one is not None})

    def _pydantic(self, kind: Any) -> Check | None:
        found: dict[str, Check] = {}
        for name, field in kind.model_fields.items():
            child = self.of(field.annotation, {}, pydantic=True)
            if child is None:
                continue
            if name == "root" and getattr(kind, "__pydantic_root_model__", False):
                return child
            choices = getattr(field.validation_alias, "choices", [field.validation_alias])
            for alias in (name, field.alias, *choices):
                first = getattr(alias, "path", [alias])[0]
                if isinstance(first, str):
                    found[first] = child
        return _object(found) if found else None


# -- parts of a check --------------------------------------------------------------------------------------------------


def _nothing(raw: Raw, path: str, depth: int) -> None:
    """Accept every value."""


def _all_of(checks: Iterable[Check | None]) -> Check | None:
    present = [check for check in checks if check is not None]
    if len(present) <= 1:
        return present[0] if present else None

    def check(raw: Raw, path: str, depth: int) -> None:
        for one in present:
            one(raw, path, depth)

    return check


def _items(item: Check) -> Check:
    def check(raw: Raw, path: str, depth: int) -> None:
        if _begins(raw) == b"[":
            for index, one in enumerate(_items_of(raw)):
                item(one, f"{path}[{index}]", _deeper(depth))

    return check


def _positions(items: list[Check | None]) -> Check | None:
    if not any(items):
        return None

    def check(raw: Raw, path: str, depth: int) -> None:
        if _begins(raw) == b"[":
            for index, (item, one) in enumerate(zip(items, _items_of(raw), strict=False)):
                if item is not None:
                    item(one, f"{path}[{index}]", _deeper(depth))

    return check


def _object(fields: dict[str, Check]) -> Check:
    def check(raw: Raw, path: str, depth: int) -> None:
        if _begins(raw) == b"{":
            members = _members(raw)
            for name, field in fields.items():
                if name in members:
                    field(members[name], f"{path}.{name}", _deeper(depth))

    return check


def _elements(raw: Raw, decode: Callable[[Raw], list[Any]]) -> list[Any]:
    try:
        return decode(raw)
    except Exception:
        # Decoded separately: an element that does not fit must not hide those before it.
        return _those_that_fit([b"[%b]" % bytes(item) for item in _items_of(raw)], decode)


def _keys(keys: list[str], decode: Callable[[list[str]], list[Any]]) -> list[Any]:
    try:
        return decode(keys)
    except Exception:
        return _those_that_fit([[key] for key in keys], decode)


def _those_that_fit(ones: Iterable[Any], decode: Callable[[Any], list[Any]]) -> list[Any]:
    found: list[Any] = []
    for one in ones:
        try:
            found += decode(one)
        except Exception:
            continue
    return found


def _count(items: list[Any], what: str) -> None:
    """Raise if too many different items have one hash. Takes linear time for any items."""
    try:
        hashes = [hash(item) for item in items]
    except TypeError:
        # Unhashable items cannot be in a set; the decoder reports this.
        return
    many = {value for value, count in Counter(hashes).items() if count > MAX_EQUAL_HASHES}
    if not many:
        return
    different: dict[int, list[Any]] = {value: [] for value in many}
    for item, value in zip(items, hashes, strict=True):
        seen = different.get(value)
        if seen is not None and item not in seen:
            seen.append(item)
            if len(seen) > MAX_EQUAL_HASHES:
                raise ValueError(f"more than {MAX_EQUAL_HASHES} {what}")


def _first(parameters: tuple[Any, ...]) -> Any:
    return parameters[0] if parameters else Any
