"""A `PayloadCodec` for tests: its output shows no plain text, and is bound to its context."""

from __future__ import annotations

import builtins
import re
import time
import zlib

from pynenc.serializer import PayloadCodec, PayloadContext

SECRET_WORD = "the-argument-nobody-may-read"
"""The text that tests send and then search for in the store."""


class Veiled(PayloadCodec):
    """Compressed, each bit flipped, with the context in front."""

    def encode(self, data: bytes, context: PayloadContext) -> bytes:
        return _flipped("|".join(context).encode() + b"\n" + zlib.compress(data))

    def decode(self, data: bytes, context: PayloadContext) -> bytes:
        place, _, body = _flipped(data).partition(b"\n")
        if place.decode() != "|".join(context):
            raise ValueError("encoded for another place")
        return zlib.decompress(body)


class Moody(PayloadCodec):
    """Fails in the way of the data: `<method>:<class of a builtin exception>`, or `<method>:never` to run forever."""

    def encode(self, data: bytes, context: PayloadContext) -> bytes:
        return _obeyed(b"encode", data)

    def decode(self, data: bytes, context: PayloadContext) -> bytes:
        return _obeyed(b"decode", data)


def _obeyed(method: bytes, data: bytes) -> bytes:
    # In two parts, so that this line in a traceback is no command.
    found = re.search(method + b":" + rb"(\w+)", data)
    while found is not None and found[1] == b"never":
        time.sleep(0.01)
    if found is not None:
        raise getattr(builtins, found[1].decode())("on purpose")
    return data


def _flipped(data: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in data)
