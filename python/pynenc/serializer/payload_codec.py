"""`PayloadCodec`: a step between bytes and bytes for all payloads of an app, such as encryption or compression."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from pynenc.exceptions import ConfigError, PayloadCodecError
from pynenc.util.subclasses import configured_subclass

if TYPE_CHECKING:
    from pynenc.serializer.owner import CodecOwner

PayloadKind: TypeAlias = Literal["arguments", "result", "exception"]

ENCODED_TAG: Final = 5
"""First byte of what a `PayloadCodec` has encoded."""


class PayloadContext(NamedTuple):
    """The place that a payload belongs to. Not secret: the store shows all of it."""

    app_id: str
    """The id of the app."""
    task_id: str
    """The id of the task."""
    kind: PayloadKind
    """`"arguments"`, `"result"` or `"exception"`."""


class PayloadCodec(ABC):
    """Encodes the bytes of arguments, results and exceptions before they are signed and stored.

    Subclass it, and give an instance to `Pynenc(payload_codec=…)` or name the class in `payload_codec_cls`. Every
    process of the app needs the codec. Several threads call its methods at once, and so does the event loop of
    `AsyncRunner`: they should be quick, and should not wait for a network. An exception of a method becomes a
    `PayloadCodecError`: it refuses the call, fails the invocation, or is raised by `result`.

    Example:
        >>> class Compressed(PayloadCodec):
        ...     def encode(self, data: bytes, context: PayloadContext) -> bytes:
        ...         return zlib.compress(data)
        ...     def decode(self, data: bytes, context: PayloadContext) -> bytes:
        ...         return zlib.decompress(data)
        >>> zipped = Pynenc("zipped", payload_codec=Compressed())
    """

    @abstractmethod
    def encode(self, data: bytes, context: PayloadContext) -> bytes:
        """Return the bytes to store.

        Args:
            data: the encoded arguments, result or exception.
            context: the place that the payload belongs to.
        Returns:
            The bytes to store.
        """

    @abstractmethod
    def decode(self, data: bytes, context: PayloadContext) -> bytes:
        """Return the bytes that `encode` was given.

        Args:
            data: what `encode` returned.
            context: the place that the payload belongs to.
        Returns:
            The original bytes.
        Raises:
            Exception: of any class, for bytes that `encode` has not made.
        """


def configured_codec(app: CodecOwner) -> PayloadCodec | None:
    """Return the codec of an app: its instance, or else one of the class that `payload_codec_cls` names.

    Args:
        app: the app.
    Returns:
        The codec; None if the app has none.
    Raises:
        ValueError: no imported subclass of `PayloadCodec` has that name.
        ConfigError: the class cannot be instantiated without arguments.
    """
    name = app.conf.payload_codec_cls
    if app.payload_codec is not None or not name:
        return app.payload_codec
    cls = configured_subclass(PayloadCodec, app.conf, "payload_codec_cls")  # type: ignore[type-abstract]
    try:
        return cls()
    except Exception as error:
        raise ConfigError(
            f"ConfigPynenc.payload_codec_cls is {name!r}, and {cls.__name__}() raised {type(error).__name__} (from "
            f"{app.conf.source_of('payload_codec_cls')}): the class has to work without arguments; give an instance "
            "to Pynenc(payload_codec=…) otherwise"
        ) from error


def encode_payload(codec: PayloadCodec, data: bytes, context: PayloadContext) -> bytes:
    """Encode a payload.

    Args:
        codec: the codec of the app.
        data: the bytes to encode.
        context: the place that the payload belongs to.
    Returns:
        The encoded payload, with a tag.
    Raises:
        PayloadCodecError: the codec failed.
    """
    try:
        encoded = codec.encode(data, context)
    except Exception as error:
        raise _failed(codec, "encode", context, f"raised {_text(error)}") from error
    if not isinstance(encoded, bytes):
        raise _failed(codec, "encode", context, f"returned {type(encoded).__name__}, not bytes")
    return bytes([ENCODED_TAG]) + encoded


def decode_payload(codec: PayloadCodec, payload: bytes, context: PayloadContext) -> bytes:
    """Decode a payload.

    Args:
        codec: the codec of the app.
        payload: what `encode_payload` returned.
        context: the place that the payload belongs to.
    Returns:
        The bytes that were encoded.
    Raises:
        PayloadCodecError: the codec failed, or no codec has encoded the payload.
    """
    if payload[:1] != bytes([ENCODED_TAG]):
        raise PayloadCodecError(
            f"the {context.kind} of task {context.task_id} cannot be read: no PayloadCodec has encoded it, and this "
            f"process has {type(codec).__name__}; give every process of the app the same payload codec"
        )
    try:
        data = codec.decode(payload[1:], context)
    except Exception as error:
        raise _failed(codec, "decode", context, f"raised {_text(error)}") from error
    if not isinstance(data, bytes):
        raise _failed(codec, "decode", context, f"returned {type(data).__name__}, not bytes")
    return data


def _failed(codec: PayloadCodec, method: str, context: PayloadContext, how: str) -> PayloadCodecError:
    return PayloadCodecError(
        f"{type(codec).__name__}.{method} failed for the {context.kind} of task {context.task_id}: it {how}"
    )


def _text(error: Exception) -> str:
    try:
        text = str(error)
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
