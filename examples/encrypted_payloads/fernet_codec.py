"""Encrypt payloads with Fernet of the package cryptography (AES-128-CBC, then HMAC-SHA256)."""

from __future__ import annotations

import os
from collections.abc import Sequence

from cryptography.fernet import Fernet, MultiFernet

from pynenc.serializer import PayloadCodec, PayloadContext

KEYS = "SHOP_ENCRYPTION_KEYS"
"""Environment variable with the keys, newest first, separated by commas."""


class FernetCodec(PayloadCodec):
    """Encrypts with the first key and decrypts with all keys.

    Without arguments, as `payload_codec_cls` creates it, the keys come from the environment.
    """

    def __init__(self, keys: Sequence[str] | None = None) -> None:
        """Raises `KeyError` without the variable, and `ValueError` for a key not made by `Fernet.generate_key`."""
        self._fernet = MultiFernet([Fernet(key) for key in keys or os.environ[KEYS].split(",")])

    def encode(self, data: bytes, context: PayloadContext) -> bytes:
        """Return the encrypted payload."""
        return self._fernet.encrypt(_place(context) + data)

    def decode(self, data: bytes, context: PayloadContext) -> bytes:
        """Return the decrypted payload. Raises for one of another key, or of another place."""
        plain, place = self._fernet.decrypt(data), _place(context)
        if not plain.startswith(place):
            raise ValueError("encrypted for another app, task or kind")
        return plain[len(place) :]


def _place(context: PayloadContext) -> bytes:
    # Fernet authenticates nothing beside its own text, so the place is a part of it.
    return "\0".join((*context, "")).encode()
