"""The codec of an app that signs its payloads, encodes them with a `PayloadCodec`, or both.

Values are serialized, then encoded, then signed. Payloads are verified, then decoded, then deserialized. The store's
handle signs arguments after it has created the id of the invocation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pynenc.exceptions import PayloadCodecError
from pynenc.serializer.codec import Codec
from pynenc.serializer.payload_codec import (
    PayloadCodec,
    PayloadContext,
    PayloadKind,
    configured_codec,
    decode_payload,
    encode_payload,
)
from pynenc.serializer.signing import KINDS, Refusals, configured_signer
from pynenc.serializer.sizes import too_large

if TYPE_CHECKING:
    from pynenc.serializer.owner import CodecOwner, CodecTask

_NOT_ENCODED: Final = b"\x07"
"""The replacement of an exception that the `PayloadCodec` could not encode; it says only this."""


class SealedCodec(Codec):
    """A `Codec` whose payloads are valid for one task, one invocation and one kind only. Thread-safe."""

    def __init__(self, app: CodecOwner) -> None:
        """Raises like `Codec`, and `ConfigError` for an unusable `payload_codec_cls`."""
        super().__init__(app)
        self.signer = configured_signer(app)
        self._payload_codec: PayloadCodec | None = configured_codec(app)
        self._overhead = 0 if self.signer is None else self.signer.overhead
        self._app_id = app.app_id
        self.refusals = self._refused = Refusals(app)

    def encode_arguments(self, task: CodecTask, kwargs: dict[str, Any]) -> bytes:
        """Encode the arguments of one call without a signature. Raises like `Codec`, and `PayloadCodecError`."""
        return self._fitting(
            task.task_id, "arguments", self._encoded(task.task_id, "arguments", super().encode_arguments(task, kwargs))
        )

    def decode_arguments(self, task: CodecTask, payload: bytes, invocation_id: str = "") -> dict[str, Any]:
        """Verify and decode arguments. Raises like `Codec`, `SignatureError` and `PayloadCodecError`."""
        return super().decode_arguments(task, self.open_arguments(task, payload, invocation_id))

    def runs_user_code(self, task: CodecTask) -> bool:
        """Return whether decoding runs user code; a `PayloadCodec` is user code."""
        return self._payload_codec is not None or super().runs_user_code(task)

    def open_arguments(self, task: CodecTask, payload: bytes, invocation_id: str) -> bytes:
        """Return the output of `write_arguments`. Raises `SignatureError` and `PayloadCodecError`."""
        return self._decoded(
            task.task_id, "arguments", self._verified(task.task_id, "arguments", payload, invocation_id)
        )

    def encode_result(self, task: CodecTask, value: Any, invocation_id: str = "") -> bytes:
        """Encode and sign a result. Raises like `Codec`, and `PayloadCodecError`."""
        encoded = self._encoded(task.task_id, "result", super().encode_result(task, value))
        return self._signed(task.task_id, "result", self._fitting(task.task_id, "result", encoded), invocation_id)

    def decode_result(self, task: CodecTask, payload: bytes | None, invocation_id: str = "") -> Any:
        """Verify and decode a result. Raises like `Codec`, `SignatureError` and `PayloadCodecError`."""
        verified = self._verified(task.task_id, "result", payload or b"", invocation_id)
        return super().decode_result(task, self._decoded(task.task_id, "result", verified))

    def encode_exception(self, task: CodecTask | str, exc: BaseException, invocation_id: str = "") -> bytes:
        """Encode and sign an exception. If the `PayloadCodec` fails, the payload contains only this fact."""
        task_id = task if isinstance(task, str) else task.task_id
        try:
            encoded = self._encoded_exception(task_id, exc)
        except PayloadCodecError as error:
            self._app.logger.error("the exception of invocation %s is not stored: %s", invocation_id, error)
            encoded = _NOT_ENCODED
        return self._signed(task_id, "exception", encoded, invocation_id)

    def decode_exception(self, task: CodecTask, payload: bytes, invocation_id: str = "") -> BaseException:
        """Return the exception to raise in place of the remote one. Raises like `decode_result`."""
        verified = self._verified(task.task_id, "exception", payload, invocation_id)
        if verified == _NOT_ENCODED:
            return PayloadCodecError(
                f"invocation {invocation_id} of task {task.task_id} failed, and the PayloadCodec of its runner could "
                "not encode the exception: see the log of the runner"
            )
        return super().decode_exception(task, self._decoded(task.task_id, "exception", verified))

    def note(self, error: BaseException, text: str) -> str:
        """Return the type alone if a `PayloadCodec` hides the message of an exception from the store."""
        return text if self._payload_codec is None else type(error).__name__

    def _encoded_exception(self, task_id: str, exc: BaseException) -> bytes:
        """Encode an exception, cut so that it fits after the codec has changed its size."""
        most = self._conf.max_payload_bytes - self._overhead
        limit = most
        for _ in range(8):
            plain = self.plain_exception(exc, limit)
            encoded = self._encoded(task_id, "exception", plain)
            if len(encoded) <= most:
                return encoded
            limit = min(limit, len(plain)) * most // len(encoded) - 16
        raise PayloadCodecError(
            f"the exception of task {task_id} is larger than max_payload_bytes = {self._conf.max_payload_bytes} "
            "when it is encoded, however much is cut"
        )

    def _encoded(self, task_id: str, kind: PayloadKind, plain: bytes) -> bytes:
        codec = self._payload_codec
        return plain if codec is None else encode_payload(codec, plain, self._context(task_id, kind))

    def _decoded(self, task_id: str, kind: PayloadKind, payload: bytes) -> bytes:
        codec = self._payload_codec
        return payload if codec is None else decode_payload(codec, payload, self._context(task_id, kind))

    def _fitting(self, task_id: str, kind: PayloadKind, encoded: bytes) -> bytes:
        limit = self._conf.max_payload_bytes
        if len(encoded) + self._overhead > limit:
            raise too_large(f"the {kind} of task {task_id}", len(encoded) + self._overhead, limit)
        return encoded

    def _signed(self, task_id: str, kind: PayloadKind, body: bytes, invocation_id: str) -> bytes:
        return body if self.signer is None else self.signer.sign(task_id, invocation_id, KINDS[kind], body)

    def _verified(self, task_id: str, kind: PayloadKind, payload: bytes, invocation_id: str) -> bytes:
        self._check_size(kind, task_id, payload)
        if self.signer is None:
            return payload
        try:
            return self.signer.open(task_id, invocation_id, KINDS[kind], payload)
        except ValueError as error:
            raise self._refused.refuse(self._context(task_id, kind), invocation_id, str(error)) from None

    def _context(self, task_id: str, kind: PayloadKind) -> PayloadContext:
        return PayloadContext(self._app_id, task_id, kind)
