"""Find the place that a warning is about: a line of a settings file, or of the user's code."""

from __future__ import annotations

import os
import sys

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep

_COMMAND = "pynenc"
"""The place in a warning if only the command line has used the app."""


def place_of(source: str, key: str) -> tuple[str, int]:
    """Return a file and the number of a line in it, for `warnings.warn_explicit`.

    Args:
        source: where the setting comes from: a file with or without a section of it, or something else in words.
        key: the name of the setting.
    """
    file = source.partition(", section ")[0].removeprefix("file ")
    return (file, _line_with(file, key)) if os.path.isfile(file) else _line_outside()


def _line_with(file: str, key: str) -> int:
    """Return the first line with the key; 1 if no line has the key in this spelling."""
    try:
        with open(file, encoding="utf-8") as lines:
            return next((number for number, line in enumerate(lines, 1) if key in line), 1)
    except (OSError, ValueError):
        return 1


def _line_outside() -> tuple[str, int]:
    """The innermost line outside of this package, of code that has a file."""
    frame = sys._getframe(1)
    while True:
        file = frame.f_code.co_filename
        if not file.startswith((_PACKAGE, "<")) and os.path.basename(file) != _COMMAND:
            return file, frame.f_lineno
        if frame.f_back is None:
            break
        frame = frame.f_back
    return _COMMAND, 1
