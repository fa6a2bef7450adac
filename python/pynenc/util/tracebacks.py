"""Shorten tracebacks so that they begin in the user's code."""

from __future__ import annotations

import asyncio
import os
from types import TracebackType

_SKIPPED = tuple(
    os.path.dirname(os.path.abspath(file)) + os.sep for file in (os.path.dirname(__file__), asyncio.__file__)
)
"""The files of this package, and of the library that runs coroutines for it."""


def from_their_code(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames of this package that called the body.

    A traceback that never leaves this package stays whole: the error is ours.
    """
    first = trace
    while first is not None and first.tb_frame.f_code.co_filename.startswith(_SKIPPED):
        first = first.tb_next
    return first or trace
