"""Step 1 of the life of an invocation, encoding: values and exceptions to bytes, and back.

A payload is one tag byte and a body. The tag names the serializer. A payload of another serializer is refused; no other
decoder is tried.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from pynenc.exceptions import ConfigError, PayloadTooLargeError, SerializationError
from pynenc.serializer.base_serializer import BaseSerializer
from pynenc.serializer.exceptions_codec import decode_error, encode_error
from pynenc.serializer.json_codec import DEFAULT_TEXT, JsonTaskCodec
from pynenc.serializer.json_pickle_serializer import JsonPickleSerializer
from pynenc.serializer.json_serializer import JsonSerializer
from pynenc.serializer.pickle_serializer import PickleSerializer
from pynenc.serializer.sizes import too_large
from pynenc.util.signature import CallSignature
from pynenc.util.texts import brief

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc.serializer.owner import CodecOwner, CodecTask
    from pynenc.serializer.signing import Refusals

_EXCEPTION_TAG: Final = 4
_NAMES: Final = {
    JsonSerializer.tag: "JsonSerializer",
    PickleSerializer.tag: "PickleSerializer",
    JsonPickleSerializer.tag: "JsonPickleSerializer",
    _EXCEPTION_TAG: "an exception",
    5: "an app with a PayloadCodec",
    6: "an app with signing_keys",
    7: "a PayloadCodec that failed",
    BaseSerializer.tag: "a serializer of its own",
}
_JSON: Final = bytes([JsonSerializer.tag])
_NONE: Final = _JSON + b"null"

_SMALL: Final = 4096
"""The size up to which copying a payload is cheaper than a view of it."""

E = TypeVar("E", bound=Exception)


class Codec:
    """Encode and decode the payloads of one app with the serializer of `serializer_cls`. Thread-safe.

    With `JsonSerializer` values are decoded by the annotations of the task. Exceptions are JSON with every serializer.
    """

    signer: _core.Signer | None = None
    """The signer of arguments; None if the app does not sign."""

    refusals: Refusals | None = None
    """The counter of refused payloads; None if the app neither signs nor encodes payloads."""

    def __init__(self, app: CodecOwner) -> None:
        """
        Raises:
            ValueError: `serializer_cls` names no imported serializer.
        """
        self._app = app
        self._conf = app.conf
        self._tasks: dict[str, JsonTaskCodec] = {}
        self._signatures: dict[str, tuple[Any, CallSignature]] = {}
        self._exceptions: dict[tuple[str, str], type[Exception]] = {}
        self.serializer: BaseSerializer = app.serializer
        self._is_json = isinstance(self.serializer, JsonSerializer)
        unsafe = isinstance(self.serializer, PickleSerializer | JsonPickleSerializer)
        # With signatures only processes of the app can write the data that is unpickled.
        if unsafe and not app.conf.signing_keys:
            name = type(self.serializer).__name__
            warnings.warn(
                f"serializer_cls is {name}: whoever can write to the store can run code in every "
                "process of this app. JsonSerializer, the default, is safe; signing_keys keep others from writing.",
                UserWarning,
                stacklevel=3,
            )

    def encode_arguments(self, task: CodecTask, kwargs: dict[str, Any]) -> bytes:
        """Encode the arguments of one call.

        Raises:
            SerializationError: an argument cannot be encoded; names the task, the argument and its type.
            PayloadTooLargeError: together they are larger than `max_payload_bytes`.
        """
        limit = self._conf.max_payload_bytes
        if self._is_json:
            payload = _JSON + self._json(task).encode_arguments(kwargs, limit)
        else:
            payload = self._whole(f"the arguments of task {task.task_id}", self._signature(task).packed(kwargs))
        if len(payload) > limit:
            raise too_large(f"the arguments of task {task.task_id}", len(payload), limit)
        return payload

    def decode_arguments(self, task: CodecTask, payload: bytes, invocation_id: str = "") -> dict[str, Any]:
        """Decode arguments, each to its annotated type. Defaults may be absent.

        Args:
            invocation_id: the invocation in whose record the payload was found.

        Raises:
            SerializationError: the payload is of another serializer, or does not fit the parameters of the task.
            PayloadTooLargeError: it is larger than `max_payload_bytes`, and was not decoded.
        """
        self._check_size("arguments", task.task_id, payload)
        if self._is_json and payload[:1] == _JSON:
            return self._json(task).decode_arguments(_after_tag(payload))
        what = f"the arguments of task {task.task_id}"
        kwargs = self._load(what, self._body(what, payload, self.serializer.tag))
        if not isinstance(kwargs, dict):
            raise SerializationError(f"{what} are no dict but {type(kwargs).__name__}")
        return self._signature(task).unpacked(kwargs)

    def runs_user_code(self, task: CodecTask) -> bool:
        """Return whether decoding the arguments of this task runs user code, which may take any time."""
        return not self._is_json or self._json(task).runs_user_code

    def encode_result(self, task: CodecTask, value: Any, invocation_id: str = "") -> bytes:
        """Encode the result of the body of an invocation.

        Raises:
            SerializationError: the result cannot be encoded; names the task and the type.
            PayloadTooLargeError: it is larger than `max_payload_bytes`.
        """
        if value is None and self._is_json and self._json(task).may_return_none:
            return _NONE
        limit = self._conf.max_payload_bytes
        if self._is_json:
            payload = _JSON + self._json(task).encode_result(value, limit)
        else:
            payload = self._whole(f"the result of task {task.task_id}", value)
        if len(payload) > limit:
            raise too_large(f"the result of task {task.task_id}", len(payload), limit)
        return payload

    def decode_result(self, task: CodecTask, payload: bytes | None, invocation_id: str = "") -> Any:
        """Decode a result to its annotated type. Raises `SerializationError` if it does not fit, or is too large."""
        if payload is None:
            return None
        self._check_size("result", task.task_id, payload)
        if self._is_json and payload[:1] == _JSON:
            return self._json(task).decode_result(_after_tag(payload))
        what = f"the result of task {task.task_id}"
        return self._load(what, self._body(what, payload, self.serializer.tag))

    def encode_exception(self, task: CodecTask | str, exc: BaseException, invocation_id: str = "") -> bytes:
        """Encode the exception of a body with its traceback as text. Never raises, whatever the exception's class does.

        Args:
            task: the task of the invocation, or the id of a task that this process does not know.
        """
        return self.plain_exception(exc, self._conf.max_payload_bytes)

    def plain_exception(self, exc: BaseException, limit: int) -> bytes:
        """Encode an exception in at most `limit` bytes, without signature or `PayloadCodec`. Never raises."""
        return bytes([_EXCEPTION_TAG]) + encode_error(exc, limit - 1)

    def decode_exception(self, task: CodecTask, payload: bytes, invocation_id: str = "") -> BaseException:
        """Return the exception to raise in place of the remote one, with the remote traceback as a note.

        The exception has its original class if the app knows this class (a builtin, a class of pynenc, a class that the
        module of the task defines or imports, a class of `retry_for`, a registered class). Otherwise it is a
        `RemoteError` that names the class. Nothing is imported.

        Raises:
            SerializationError: the payload is no exception.
        """
        self._check_size("exception", task.task_id, payload)
        what = f"the exception of task {task.task_id}"
        known = {(cls.__module__, cls.__qualname__): cls for cls in task.retriable_exceptions} | self._exceptions
        return decode_error(what, self._body(what, payload, _EXCEPTION_TAG), task.func, known)

    def note(self, error: BaseException, text: str) -> str:
        """Return what the history of an invocation says about an exception, given its text."""
        return text

    def write_arguments(self, task: CodecTask, kwargs: dict[str, Any]) -> bytes:
        """Encode arguments without signature or `PayloadCodec`. Raises like `encode_arguments`."""
        return Codec.encode_arguments(self, task, kwargs)

    def read_arguments(self, task: CodecTask, plain: bytes) -> dict[str, Any]:
        """Decode the output of `write_arguments`. Raises like `decode_arguments`."""
        return Codec.decode_arguments(self, task, plain)

    def open_arguments(self, task: CodecTask, payload: bytes, invocation_id: str) -> bytes:
        """Return the output of `write_arguments` from the payload of a record."""
        return payload

    def argument_texts(self, task: CodecTask, kwargs: dict[str, Any]) -> dict[str, str]:
        """Return a canonical text per argument; ids and concurrency keys are computed from these texts.

        Raises:
            SerializationError: an argument cannot be encoded; names the argument.
        """
        if self._is_json:
            return self._json(task).texts(kwargs)
        try:
            return {name: self.serializer.serialize(value) for name, value in kwargs.items()}
        except Exception as error:
            raise SerializationError(f"the arguments of task {task.task_id} have no text: {error}") from brief(error)

    def decode_texts(self, task: CodecTask, texts: Mapping[str, str]) -> dict[str, Any]:
        """Decode arguments from their texts, each to its annotated type. Raises like `decode_arguments`."""
        if self._is_json:
            written = {name: msgspec.Raw(text.encode()) for name, text in texts.items() if text != DEFAULT_TEXT}
            return self._json(task).decode_arguments(msgspec.json.encode(written))
        what = f"the arguments of task {task.task_id}"
        try:
            return {name: self.serializer.deserialize(text) for name, text in texts.items()}
        except Exception as error:
            raise SerializationError(f"{what} cannot be read: {type(error).__name__}: {error}") from brief(error)

    def register_exception(self, cls: type[E]) -> type[E]:
        """Decode exceptions of this class as this class. Works as a decorator.

        Raises:
            TypeError: the argument is no subclass of `Exception`.
        """
        if not issubclass(cls, Exception):
            raise TypeError(f"only subclasses of Exception can be registered, not {cls!r}")
        self._exceptions[cls.__module__, cls.__qualname__] = cls
        return cls

    def registered_exceptions(self) -> list[type[Exception]]:
        """Return the classes that were given to `register_exception`."""
        return list(self._exceptions.values())

    def _check_size(self, kind: str, task_id: str, payload: bytes) -> None:
        """Refuse a payload that a process with these settings could not have stored."""
        limit = self._conf.max_payload_bytes
        if len(payload) > limit:
            raise PayloadTooLargeError(
                f"the {kind} of task {task_id} in the store: {len(payload)} bytes; max_payload_bytes is {limit}, so it "
                "was not decoded. If a process of this app wrote it, give every process the same limit."
            )

    def _json(self, task: CodecTask) -> JsonTaskCodec:
        codec = self._tasks.get(task.task_id)
        # Notebooks and reloads may define a task again under its name.
        if codec is None or codec.func is not task.func:
            codec = self._tasks[task.task_id] = JsonTaskCodec(
                self._app, str(task.task_id), task.func, lambda: task.conf.lossy
            )
        return codec

    def _signature(self, task: CodecTask) -> CallSignature:
        known = self._signatures.get(task.task_id)
        # Notebooks and reloads may define a task again under its name.
        if known is None or known[0] is not task.func:
            known = self._signatures[task.task_id] = (task.func, CallSignature(task.func))
        return known[1]

    def _whole(self, what: str, value: Any) -> bytes:
        try:
            return bytes([self.serializer.tag]) + self.serializer.to_bytes(value)
        except ConfigError:
            raise
        except Exception as error:
            kind = type(value).__name__
            raise SerializationError(f"{what}, of type {kind}, cannot be serialised: {error}") from brief(error)

    def _load(self, what: str, body: memoryview) -> Any:
        try:
            return self.serializer.from_bytes(bytes(body))
        except ConfigError:
            raise
        except Exception as error:
            raise SerializationError(f"{what} cannot be read: {type(error).__name__}: {error}") from brief(error)

    def _body(self, what: str, payload: bytes, expected: int) -> memoryview:
        if payload and payload[0] == expected:
            return memoryview(payload)[1:]
        found = _NAMES.get(payload[0], f"an unknown serializer (tag {payload[0]})") if payload else "nothing at all"
        wanted = "an exception" if expected == _EXCEPTION_TAG else type(self.serializer).__name__
        raise SerializationError(
            f"{what} cannot be read: it was written by {found}, and this process reads {wanted}; give every process "
            "of the app the same serializer_cls, signing_keys and payload codec"
        )


def codec_of(app: CodecOwner) -> Codec:
    """Create the codec of an app from its settings.

    Raises:
        ValueError: `serializer_cls` or `payload_codec_cls` names no imported class.
        ConfigError: the class of `payload_codec_cls` cannot be used.
    """
    if not app.conf.signing_keys and app.payload_codec is None and not app.conf.payload_codec_cls:
        return Codec(app)
    # Imported here because most apps do not need it.
    from pynenc.serializer.sealed_codec import SealedCodec

    return SealedCodec(app)


def _after_tag(payload: bytes) -> bytes | memoryview:
    return payload[1:] if len(payload) <= _SMALL else memoryview(payload)[1:]
