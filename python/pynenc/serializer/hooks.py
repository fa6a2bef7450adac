"""Hooks for types that `msgspec` does not know. The annotation decides the decoded type, never the payload."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from pathlib import PurePath
from types import CoroutineType
from typing import TYPE_CHECKING, Any, get_args, get_origin

import msgspec

from pynenc.serializer.app_values import decode_invocation, is_invocation_class, is_task
from pynenc.serializer.checks import inspect_value
from pynenc.serializer.user_code import is_pydantic

if TYPE_CHECKING:
    from pynenc.serializer.owner import CodecOwner

DecodeHook = Callable[[Any, Any], Any]

INVOCATION_KEY = "__pynenc_invocation__"
"""The key of the encoded form of an invocation, `{INVOCATION_KEY: id}`."""

TASK_KEY = "__pynenc_task__"
"""The key of the encoded form of a task, `{TASK_KEY: id}`."""

_LIST_LIKE = (deque, Iterable)
_BASES = (str, int, float)


def encode_other(value: Any) -> Any:
    """Replace a value for `msgspec`'s `enc_hook`. Raises `TypeError` for a value without a JSON form."""
    base: Any
    for base in _BASES:
        if isinstance(value, base):
            # `str(value)` may be overridden by the subclass.
            return base.__getnewargs__(value)[0]
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, deque):
        return list(value)
    kind = type(value)
    if is_invocation_class(kind):
        return {INVOCATION_KEY: str(value.invocation_id)}
    if is_task(kind):
        return {TASK_KEY: str(value.task_id)}
    if is_pydantic(kind):
        # Encoded as the model reads it back: with aliases, and without computed fields.
        return _checked(value.model_dump(mode="json", by_alias=True, round_trip=True))
    if is_json_serializable(kind):
        return _checked(value.to_json())
    if isinstance(value, CoroutineType):
        raise TypeError(
            f"it is the coroutine {value.__qualname__}: a forgotten await? Pass `await {value.__name__}(…)`"
        )
    raise TypeError(
        f"objects of type {kind.__module__}.{kind.__qualname__} have no JSON form; pass plain values, a dataclass, a "
        "msgspec.Struct, or give the class to_json() and a class method from_json(data)"
    )


def encode_with_sets(value: Any) -> Any:
    """Like `encode_other`, for a sorted text: a model's sets stay sets, which `model_dump` would convert to lists."""
    if is_pydantic(type(value)):
        return value.model_dump(by_alias=True, round_trip=True)
    return encode_other(value)


def has_own_form(value: Any) -> bool:
    """Return whether the class of a value defines its JSON form."""
    kind = type(value)
    return is_pydantic(kind) or (is_json_serializable(kind) and not (is_invocation_class(kind) or is_task(kind)))


def decode_hook(app: CodecOwner | None) -> DecodeHook:
    """Create `msgspec`'s `dec_hook`, which decodes to the annotated type. Invocations and tasks belong to `app`."""

    def decode(annotation: Any, value: Any) -> Any:
        kind = get_origin(annotation) or annotation
        if kind is object:
            return value
        if not isinstance(kind, type):
            raise TypeError(f"the annotation {annotation} cannot be decoded")
        if is_invocation_class(kind):
            return _invocation(app, kind, value)
        if is_task(kind):
            return _task(app, kind, value)
        if issubclass(kind, PurePath) or (issubclass(kind, _BASES) and isinstance(value, _BASES)):
            return _of_base(kind, value)
        if kind in _LIST_LIKE:
            items = msgspec.convert(value, list[get_args(annotation) or (Any,)], dec_hook=decode)  # type: ignore[misc]
            return deque(items) if kind is deque else items
        if issubclass(kind, dict):
            return _mapping(kind, get_args(annotation), value, decode)
        if is_pydantic(kind):
            # Passed as JSON, because a strict model accepts text for a date only there.
            return kind.model_validate_json(msgspec.json.encode(value))  # type: ignore[attr-defined]
        if is_json_serializable(kind):
            return kind.from_json(value)  # type: ignore[attr-defined]
        raise TypeError(f"values of the annotated type {kind.__module__}.{kind.__qualname__} cannot be decoded")

    return decode


def _of_base(kind: type[Any], value: Any) -> Any:
    expected = next((base for base in _BASES if issubclass(kind, base)), str)
    if type(value) is not expected and not (expected is float and type(value) is int):
        raise TypeError(f"expected {expected.__name__}, got {type(value).__name__}")
    return kind(value)


def _mapping(kind: type[Any], parameters: tuple[Any, ...], value: Any, decode: DecodeHook) -> Any:
    key, item = (*(parameters or (Any,)), int) if kind is Counter else parameters or (Any, Any)
    plain = msgspec.convert(value, dict[key, item], dec_hook=decode, str_keys=True)  # type: ignore[valid-type]
    if kind is defaultdict:
        return defaultdict(None, plain)
    if kind in (OrderedDict, Counter):
        return kind(plain)
    raise TypeError(f"values of the annotated type {kind.__module__}.{kind.__qualname__} cannot be decoded")


def _invocation(app: CodecOwner | None, kind: type[Any], value: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get(INVOCATION_KEY), str):
        raise TypeError(f"expected an invocation, got {type(value).__name__}")
    return decode_invocation(app, kind, value[INVOCATION_KEY])


def _task(app: CodecOwner | None, kind: type[Any], value: Any) -> Any:
    if not isinstance(value, dict) or list(value) != [TASK_KEY] or not isinstance(value[TASK_KEY], str):
        raise TypeError(f"expected a task, got {type(value).__name__}")
    # Looked up like the task of an invocation, among the registered tasks.
    task = None if app is None else app.get_task(value[TASK_KEY])
    if not isinstance(task, kind):
        raise TypeError(f"tasks cannot be decoded as {kind.__qualname__}; annotate Task")
    return task


def is_json_serializable(kind: type[Any]) -> bool:
    """Return whether the class defines how its objects are encoded and decoded: see `JsonSerializable`."""
    return (
        callable(getattr(kind, "to_json", None))
        and callable(getattr(kind, "from_json", None))
        and not issubclass(kind, BaseException)
        # The method of a protocol creates no object.
        and not getattr(kind, "_is_protocol", False)
    )


def _checked(data: Any) -> Any:
    inspect_value(data)
    return data
