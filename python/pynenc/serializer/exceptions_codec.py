"""Encode and decode exceptions. Encoding accepts every exception; decoding imports nothing."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from pynenc.exceptions import RemoteError, SerializationError
from pynenc.serializer.exception_values import clean, pack, pack_or_text, safe_text, unpack
from pynenc.serializer.recorded_text import with_recorded_text
from pynenc.util.texts import brief
from pynenc.util.tracebacks import from_their_code

MAX_TRACEBACK_CHARS = 64 * 1024
"""The maximum length of a traceback, which is cut in the middle."""

_MAX_BODY_BYTES = 256 * 1024
_MAX_GROUP_DEPTH = 5
_MAX_GROUP_SIZE = 100
_HEAP_TYPE = 1 << 9

Known = Mapping[tuple[str, str], type[BaseException]]


class _Record(msgspec.Struct, omit_defaults=True):
    """The encoded form of one exception."""

    module: str
    qualname: str
    message: str
    args: Any = []
    state: dict[str, Any] = {}
    traceback: str = ""
    cause: list[str] = []
    """The type and message of its cause."""
    members: list[_Record] | None = None
    """The exceptions of an exception group."""


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(_Record)


# -- encoding ----------------------------------------------------------------------------------------------------------


def encode_error(exc: BaseException, limit: int) -> bytes:
    """Encode an exception in at most `limit` bytes, unless the limit is absurdly small. Never raises."""
    limit = min(limit, _MAX_BODY_BYTES)
    try:
        record = _record(exc, 0)
        body = _ENCODER.encode(record)
        if len(body) <= limit:
            return body
    except BaseException:
        # Reading the object may raise anything; its type always remains.
        record = _Record(*_names(type(exc)), "<the exception could not be written down>")
    room = max(0, limit // 8)
    message = record.message[: min(1000, room)]
    small = _Record(record.module, record.qualname, message, [message])
    small.traceback = clean(record.traceback, room)
    return _ENCODER.encode(small)


def _record(exc: BaseException, depth: int) -> _Record:
    record = _Record(*_names(type(exc)), clean(safe_text(str, exc)))
    record.args = [pack_or_text(arg) for arg in _args(exc)]
    record.state = _state(exc)
    record.traceback = _traceback(exc) if depth == 0 else ""
    cause = _own(exc, "__cause__")
    if cause is None and not _own(exc, "__suppress_context__"):
        cause = _own(exc, "__context__")
    if cause is not None:
        record.cause = [".".join(_names(type(cause))), clean(safe_text(str, cause))]
    if issubclass(type(exc), BaseExceptionGroup) and depth < _MAX_GROUP_DEPTH:
        members = BaseExceptionGroup.exceptions.__get__(exc)[:_MAX_GROUP_SIZE]
        record.members = [_record(member, depth + 1) for member in members]
        record.args = [clean(safe_text(str, BaseExceptionGroup.message.__get__(exc)))]
    return record


def _names(cls: type[BaseException]) -> tuple[str, str]:
    module, qualname = (safe_text(lambda name: getattr(cls, name), name) for name in ("__module__", "__qualname__"))
    return clean(module, 500), clean(qualname, 500)


def _own(exc: BaseException, name: str) -> Any:
    """Return an attribute of `BaseException`, bypassing overrides of the class."""
    return vars(BaseException)[name].__get__(exc)


def _args(exc: BaseException) -> tuple[Any, ...]:
    args: tuple[Any, ...] = _own(exc, "args")
    # Read from its type: an object may lie about its class, or raise on access.
    if issubclass(type(exc), OSError) and len(args) == 2:
        # Its constructor takes these values and omits them from `args`.
        first, second = (vars(OSError)[name].__get__(exc) for name in ("filename", "filename2"))
        if first is not None:
            return (*args, first) if second is None else (*args, first, None, second)
    return args


def _state(exc: BaseException) -> dict[str, Any]:
    """Return the attributes of the exception that are plain data."""
    state: dict[str, Any] = {}
    try:
        attributes = dict(_attributes(exc))
    except BaseException:
        return state
    for name, value in attributes.items():
        if type(name) is str and _is_plain_name(name):
            try:
                state[clean(name, 500)] = pack(value)
            except BaseException:
                continue
    return state


def _is_plain_name(name: str) -> bool:
    return name.isidentifier() and not name.startswith("__")


def _traceback(exc: BaseException) -> str:
    trace = from_their_code(_own(exc, "__traceback__"))
    try:
        return clean("".join(traceback.format_exception(type(exc), exc, trace)), MAX_TRACEBACK_CHARS)
    except BaseException:
        lines = traceback.format_tb(trace)
        return clean("".join([*lines, ".".join(_names(type(exc)))]), MAX_TRACEBACK_CHARS)


# -- decoding ----------------------------------------------------------------------------------------------------------


def decode_error(what: str, body: memoryview, func: Callable[..., Any], known: Known) -> BaseException:
    """Decode an exception to its class if the class is in `known` or reachable from `func`'s module.

    Raises:
        SerializationError: `encode_error` has not written `body`. Names `what`.
    """
    try:
        record = _DECODER.decode(body)
        return _revive(record, func, known)
    except (ValueError, TypeError, RecursionError) as error:
        raise SerializationError(f"{what} cannot be read: {error}") from brief(error)


def _revive(record: _Record, func: Callable[..., Any], known: Known) -> BaseException:
    exc = _made(record, func, known) or RemoteError(_type_name(record), record.message)
    # Bypasses the class, which may refuse assignments, as a frozen dataclass does.
    if record.cause:
        vars(BaseException)["__cause__"].__set__(exc, RemoteError(*record.cause[:2]))
    if record.traceback:
        _attributes(exc)["__notes__"] = [f"Traceback where it was raised:\n{record.traceback.rstrip()}"]
    return exc


def _attributes(exc: BaseException) -> dict[str, Any]:
    attributes: dict[str, Any] = object.__getattribute__(exc, "__dict__")
    return attributes


def _type_name(record: _Record) -> str:
    return f"{record.module}.{record.qualname}"


def _made(record: _Record, func: Callable[..., Any], known: Known) -> BaseException | None:
    """Return an object of the original class; None if the class is unknown, or cannot be created from the record."""
    cls = _resolve(record.module, record.qualname, func, known)
    if cls is None:
        return None
    args = unpack(record.args)
    if record.members is not None:
        args = [*args[:1], [_revive(member, func, known) for member in record.members]]
    if not isinstance(args, list):
        raise ValueError("its arguments are no list")
    for make in (_call, make_without_init):
        try:
            exc = make(cls, args)
            if isinstance(exc, cls):
                for name, value in record.state.items():
                    if _is_plain_name(name):
                        _attributes(exc)[name] = unpack(value)
                return with_recorded_text(exc, record.message, lambda other: make_without_init(other, args))
        except Exception:
            # Many classes have constructors with other parameters than `args`.
            continue
    return None


def _call(cls: type[BaseException], args: list[Any]) -> BaseException | None:
    exc = cls(*args)
    before = tuple(args[:2]) if isinstance(exc, OSError) and len(args) > 2 else tuple(args)
    same = isinstance(exc, BaseExceptionGroup) or _own(exc, "args") == before
    # Otherwise the constructor would format its own output a second time.
    return exc if same else None


def make_without_init(cls: type[BaseException], args: list[Any]) -> BaseException:
    """Create an exception of `cls` without calling an `__init__` written in Python."""
    exc = cls.__new__(cls, *args)
    for parent in cls.__mro__:
        if "__init__" in vars(parent) and not parent.__flags__ & _HEAP_TYPE:
            # The `__init__` of its builtin base fills the fields that C code reads.
            vars(parent)["__init__"](exc, *args)
            break
    return exc


def _resolve(module: str, qualname: str, func: Callable[..., Any], known: Known) -> type[BaseException] | None:
    """Find the class of a name among existing classes; never `SystemExit` and similar classes."""
    found: object = known.get((module, qualname))
    if found is None:
        for namespace in _namespaces(module, func):
            found = _look_up(namespace, qualname)
            if found is not None:
                break
    if isinstance(found, type) and issubclass(found, Exception):
        return found if (found.__module__, found.__qualname__) == (module, qualname) else None
    return None


def _namespaces(module: str, func: Callable[..., Any]) -> list[Mapping[str, Any]]:
    namespaces: list[Mapping[str, Any]] = []
    if module in ("builtins", "pynenc.exceptions"):
        namespaces.append(vars(sys.modules[module]))
    module_of_func = sys.modules.get(getattr(func, "__module__", ""))
    if module_of_func is not None:
        namespaces.append(vars(module_of_func))
    namespaces.append(getattr(func, "__globals__", {}))
    return namespaces


def _look_up(namespace: Mapping[str, Any], qualname: str) -> object:
    """Look up a dotted name in the dicts of classes only, so that no attribute is ever computed."""
    found: object = None
    for part in qualname.split("."):
        found = namespace.get(part)
        if not isinstance(found, type):
            return None
        namespace = vars(found)
    return found
