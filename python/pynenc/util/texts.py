"""Texts that come from payloads and exceptions, fit for a message or a log."""

from __future__ import annotations

import re

MAX_MESSAGE_CHARS = 2000
"""The maximum length of the text of a value or an error in a message."""

# Control characters, line and paragraph separators, and characters that change the direction of text. A tab is
# harmless.
_CONTROL = "\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069"
_CONTROLS = re.compile(f"[{_CONTROL}]")
_CONTROLS_BUT_NEWLINES = re.compile(f"(?!\n)[{_CONTROL}]")


def cut(text: str, limit: int = MAX_MESSAGE_CHARS) -> str:
    """Return the text; a longer one keeps its beginning and its end, with the number of omitted characters between
    them.
    """
    if len(text) <= limit:
        return text
    head = limit * 3 // 4
    return f"{text[:head]} … {len(text) - limit} characters left out … {text[len(text) - (limit - head) :]}"


def escaped(text: str) -> str:
    """Return the text on one line, with escapes for characters that begin a line or move or colour the output."""
    return text if text.isprintable() else _CONTROLS.sub(_escape, text)


def indented(text: str) -> str:
    """Return the text with its lines, all but the first indented, and other control characters escaped."""
    return _CONTROLS_BUT_NEWLINES.sub(_escape, text).replace("\n", "\n  ")


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def brief(error: BaseException) -> BaseException | None:
    """Return the error as a cause of another; None if its text contains a whole value, which every log would repeat."""
    try:
        return error if len(str(error)) <= MAX_MESSAGE_CHARS else None
    except BaseException:
        return None


NOTE_CHARS = 300
"""The maximum length of a note in a history."""


def describe(error: BaseException) -> str:
    """Return `Type: message` on one short line, also for an exception whose `__str__` raises."""
    try:
        text = str(error)
    except BaseException:
        text = "<its text cannot be made>"
    line = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return " ".join(line.split())[:NOTE_CHARS]
