"""What an exception carries, in a closed JSON form: nothing in it names a class, so reading it makes plain data only.

None, bool, float, str and small int stand for themselves, a list for a list. Everything else is an object with one key
that says what it is: `int`, `tuple`, `bytes`, `dict`, or `text` for what was no data and is shown as it printed itself.
"""

from __future__ import annotations

import base64
from math import isfinite
from typing import Any

MAX_TEXT_CHARS = 16 * 1024
"""Longest text kept of one value."""

_MAX_DEPTH = 20
_MAX_ITEMS = 1000
_SAFE_INT = 2**53


class NoDataError(ValueError):
    """There is a value here that has no such form."""


def pack(value: Any, depth: int = 0) -> Any:
    """The form of `value`. Raises `NoDataError` if it, or a part of it, is no plain data, or is too large."""
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
    """The form of `value`, or the text it prints itself as. Never raises."""
    try:
        return pack(value)
    except BaseException:
        return {"text": clean(safe_text(repr, value))}


def unpack(form: Any) -> Any:
    """The value of a form. Raises `ValueError` for what is none."""
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
    """Text that UTF-8 can hold, cut in the middle to `limit` characters."""
    if len(text) > limit:
        head = limit // 4
        text = f"{text[:head]}\n… {len(text) - limit} characters left out …\n{text[len(text) - (limit - head) :]}"
    return text.encode("utf-8", "backslashreplace").decode()


def safe_text(function: Any, value: Any) -> str:
    """`function(value)` if that is a text, else a text that says it is none. Never raises."""
    try:
        text = function(value)
        if isinstance(text, str):
            return str.__str__(text)
    except BaseException:
        pass
    return f"<{type(value).__name__} whose text cannot be made>"
