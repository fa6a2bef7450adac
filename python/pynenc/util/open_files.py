"""Flush the buffers of the open files of this process, like the end of an interpreter."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import stat
import sys
import weakref
from typing import Any

_BUFFERED = (io.BufferedWriter, io.BufferedRandom)
_HOLD_NO_DATA = (*_BUFFERED, io.BufferedReader, io.BufferedRWPair, io.BytesIO)

_frozen: list[weakref.ref[Any]] = []
"""Files that `gc.freeze` hides from `gc.get_objects`."""


def flush_before_forks() -> None:
    """Write out the buffers, so that no fork writes them too, and note the files for `flush_open_files` in forks.

    Call it before `gc.freeze`.
    """
    files = _files(gc.get_objects())
    _flush(files, close=False)
    _frozen[:] = [weakref.ref(file) for file in files]


def flush_open_files() -> None:
    """Flush the buffers of all files that are open for writing, and close compressed ones. Never raises.

    Takes a few microseconds if the process has no file open for writing.
    """
    if not _may_hold_data():
        return
    inherited = [file for reference in _frozen if (file := reference()) is not None]
    _flush(_files([*inherited, *gc.get_objects()]), close=True)


def _files(objects: list[Any]) -> list[Any]:
    # By their type: an object may lie about its class, or run code when it is asked.
    streams = (sys.stdin, sys.stdout, sys.stderr)
    skipped = {id(stream) for stream in (*streams, *(getattr(stream, "buffer", None) for stream in streams))}
    return [
        thing
        for thing in objects
        if issubclass(type(thing), (io.TextIOWrapper, io.BufferedIOBase)) and id(thing) not in skipped
    ]


def _flush(files: list[Any], *, close: bool) -> None:
    """Yield the layers from the outermost to the innermost: text, then compression, then bytes."""
    for file in files:
        if issubclass(type(file), io.TextIOWrapper):
            _quietly(file.flush)
    for file in files:
        if close and not issubclass(type(file), (io.TextIOWrapper, *_HOLD_NO_DATA)):
            _quietly(file.close)
    for file in files:
        if issubclass(type(file), _BUFFERED):
            _quietly(file.flush)


def _quietly(call: Any) -> None:
    with contextlib.suppress(Exception):
        call()


def _may_hold_data() -> bool:
    """Return whether a descriptor above the standard ones is a file or pipe that is open for writing."""
    try:
        import fcntl

        descriptors = [int(name) for name in os.listdir("/dev/fd")]
    except (ImportError, OSError, ValueError):
        return True
    for descriptor in descriptors:
        if descriptor < 3:
            continue
        # The descriptor that listed the others is closed by now.
        with contextlib.suppress(OSError):
            mode = os.fstat(descriptor).st_mode
            writable = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
            if writable and (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
                return True
    return False
