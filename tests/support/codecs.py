"""A `PayloadCodec` for tests: what it has encoded shows no plain text, and is bound to its place."""

from __future__ import annotations

import zlib

from pynenc.serializer import PayloadCodec, PayloadContext

SECRET_WORD = "the-argument-nobody-may-read"
"""Tests send it, and look for it in the store."""


class Veiled(PayloadCodec):
    """Compressed, each bit flipped, with the context in front."""

    def encode(self, data: bytes, context: PayloadContext) -> bytes:
        return _flipped("|".join(context).encode() + b"\n" + zlib.compress(data))

    def decode(self, data: bytes, context: PayloadContext) -> bytes:
        place, _, body = _flipped(data).partition(b"\n")
        if place.decode() != "|".join(context):
            raise ValueError("encoded for another place")
        return zlib.decompress(body)


def _flipped(data: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in data)
