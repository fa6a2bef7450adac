"""Refuse values that are too large, before they are copied."""

from __future__ import annotations

from typing import Any

from pynenc.exceptions import PayloadTooLargeError

_SIZED = frozenset({str, bytes, bytearray})
_FEW = 1000
"""The number of parts of a value that are inspected before it is encoded."""


def least_size(value: Any) -> int:
    """Return a cheap lower bound of the encoded size, so that far too large values are not copied."""
    kind = type(value)
    if kind in _SIZED:
        return len(value)
    if kind is dict:
        value = value.values()
    elif kind is not list and kind is not tuple:
        return 0
    return sum([len(part) for part in value if type(part) in _SIZED]) if len(value) <= _FEW else 0


def too_large(what: str, size: int, limit: int) -> PayloadTooLargeError:
    """Return the error with the size, the limit and the remedy."""
    return PayloadTooLargeError(
        f"too large: {what}, {size} bytes; max_payload_bytes is {limit}. Keep the data elsewhere and pass its address, "
        "or raise the limit (PYNENC__MAX_PAYLOAD_BYTES)"
    )
