"""The data of an exception in a closed JSON form: no part names a class, so decoding creates plain data only.

None, bool, float, str, small int and list are encoded as themselves. Every other value is an object with one key that
names its kind: `int`, `tuple`, `bytes`, `dict`, or `text` for the printed form of a value that is no plain data.
"""

from __future__ import annotations

import base64
from math import isfinite
from typing import Any

MAX_TEXT_CHARS = 16 * 1024
"""The maximum length of the text of one value."""

_MAX_DEPTH = 20
_MAX_ITEMS = 1000
_SAFE_INT = 2**53


class NoDataError(ValueError):
    """A value has no form as plain data."""


def pack(value: Any, depth: int = 0) -> Any:
    """Return the form of `value`. Raises `NoDataError` if a part of it is no plain data, or is too large."""
    kind = type(value)
    if value is None or kind is bool:
        return value
    if isinstance(value, str):
        return clean(str.__str__(value))
    if kind is int:
        return value if abs(value) < _SAFE_INT else {"int": hex(value)}
    if kind is float and isfinite(value):
        return value
    if kind is bytes and len(value) <= MAX_TEXT_CHARS:
        return {"bytes": base64.b64encode(value).decode()}
    if kind in (list, tuple, dict) and depth < _MAX_DEPTH and len(value) <= _MAX_ITEMS:
        if kind is dict:
            if not all(type(key) is str for key in value):
                raise NoDataError
            return {"dict": {clean(key): pack(item, depth + 1) for key, item in value.items()}}
        items = [pack(item, depth + 1) for item in value]
        return items if kind is list else {"tuple": items}
    raise NoDataError


def pack_or_text(value: Any) -> Any:
    """Return the form of `value`, or its printed text. Never raises."""
    try:
        return pack(value)
    except BaseException:
        return {"text": clean(safe_text(repr, value))}


def unpack(form: Any) -> Any:
    """Return the value of a form. Raises `ValueError` for an invalid form."""
    if isinstance(form, list):
        return [unpack(item) for item in form]
    if not isinstance(form, dict):
        return form
    if len(form) != 1:
        raise ValueError("an object with other than one key")
    [(kind, content)] = form.items()
    if kind == "text" and isinstance(content, str):
        return content
    if kind == "int" and isinstance(content, str):
        return int(content, 16)
    if kind == "bytes" and isinstance(content, str):
        return base64.b64decode(content, validate=True)
    if kind == "tuple" and isinstance(content, list):
        return tuple(unpack(item) for item in content)
    if kind == "dict" and isinstance(content, dict):
        return {key: unpack(item) for key, item in content.items()}
    raise ValueError(f"an unknown form: {kind!r}")


def clean(text: str, limit: int = MAX_TEXT_CHARS) -> str:
    """Return text that UTF-8 can encode, cut in the middle to `limit` characters."""
    if len(text) > limit:
        head = limit // 4
        text = f"{text[:head]}\n… {len(text) - limit} characters left out …\n{text[len(text) - (limit - head) :]}"
    return text.encode("utf-8", "backslashreplace").decode()


def safe_text(function: Any, value: Any) -> str:
    """Return `function(value)` if it is text, else a text that says so. Never raises."""
    try:
        text = function(value)
        if isinstance(text, str):
            return str.__str__(text)
    except BaseException:
        pass
    return f"<{type(value).__name__} whose text cannot be made>"
