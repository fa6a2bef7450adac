"""Write lines to a pipe, a socket or a terminal without waiting for the reader.

A stopped reader must not block a runner: a line without room waits in this process, up to a bound, for a thread that
writes it later.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import socket
import stat
import sys
import threading
import time
from collections import deque
from typing import Any

from pynenc.util import clock

LIMIT_BYTES = 1 << 20
"""The maximum number of waiting bytes. Later lines are dropped and counted."""

_PIPE_BUF: int = getattr(select, "PIPE_BUF", 512)

_EXIT_SEC = 1.0
"""How long the end of the program waits for the reader."""

_LOOK_SEC = 1.0
"""How often to check for room if the system does not report it, in seconds."""


def may_block(stream: Any) -> int | None:
    """Return the descriptor of a stream whose reader may stop; None for a file or a stream without a descriptor."""
    if type(stream) is not io.TextIOWrapper:
        return None
    try:
        descriptor = stream.fileno()
        mode = os.fstat(descriptor).st_mode
    except (OSError, ValueError):
        return None
    return descriptor if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode) else None


class Lines:
    """The lines that wait for one descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._reset()

    def _reset(self) -> None:
        # Reentrant: a signal handler may log while this thread does.
        self._lock = threading.RLock()
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0
        self._served = False
        self._outlet: _Outlet | None = None

    def write(self, data: bytes) -> None:
        """Write the line, or keep it for later, after the lines that wait already. Does not block."""
        with self._lock:
            if not self._waiting:
                data = data[self._write(data) :]
            if not data:
                return
            if self._size + len(data) > LIMIT_BYTES:
                self._dropped += data.count(b"\n")
                return
            self._waiting.append(data)
            self._size += len(data)
            if not self._served:
                self._served = True
                try:
                    threading.Thread(target=self._serve, name="pynenc-log", daemon=True).start()
                except RuntimeError:
                    # No room for a thread: the next line tries again.
                    self._served = False

    def flush(self, timeout_sec: float) -> None:
        """Give the reader a number of seconds to make room for the waiting lines."""
        deadline = clock.monotonic() + timeout_sec
        while self._waiting and (left := deadline - clock.monotonic()) > 0:
            self._await_room(left)
            self._write_waiting()

    def _serve(self) -> None:
        while True:
            self._await_room(_LOOK_SEC)
            self._write_waiting()
            with self._lock:
                if not self._waiting:
                    self._served = False
                    return

    def _write_waiting(self) -> None:
        with self._lock:
            while self._waiting:
                data = self._waiting.popleft()
                written = self._write(data)
                self._size -= written
                if written < len(data):
                    self._waiting.appendleft(data[written:])
                    return
            if self._dropped:
                lost = f"pynenc: {self._dropped} lines of the log were dropped: nobody read it\n".encode()
                self._dropped = 0
                self._waiting.append(lost)
                self._size += len(lost)
                self._write_waiting()

    def _write(self, data: bytes) -> int:
        """Return how many bytes were written. Without a reader: all of them."""
        try:
            if self._outlet is None or not self._outlet.leads_to(self._descriptor):
                self._outlet = _Outlet(self._descriptor)
            return self._outlet.write(data)
        except BlockingIOError:
            return 0
        except OSError:
            self._outlet = None
            return len(data)

    def _await_room(self, timeout_sec: float) -> None:
        if sys.platform == "win32":
            time.sleep(min(timeout_sec, 0.05))
            return
        poll = select.poll()
        with contextlib.suppress(OSError):
            poll.register(self._descriptor, select.POLLOUT)
            poll.poll(timeout_sec * 1000)


class _Outlet:
    """A non-blocking way to a descriptor that leaves the descriptor unchanged for its other users."""

    def __init__(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        self._where = (status.st_dev, status.st_ino)
        self._own: int | None = None
        self._socket: socket.socket | None = None
        self._descriptor = descriptor
        if stat.S_ISSOCK(status.st_mode):
            self._socket = socket.socket(fileno=os.dup(descriptor))
        else:
            with contextlib.suppress(OSError):
                # A second open of the same file, with its own flags.
                self._own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)

    def leads_to(self, descriptor: int) -> bool:
        status = os.fstat(descriptor)
        return (status.st_dev, status.st_ino) == self._where

    def write(self, data: bytes) -> int:
        if self._socket is not None:
            return self._socket.send(data, socket.MSG_DONTWAIT)
        if self._own is not None:
            return os.write(self._own, data)
        if sys.platform != "win32" and not select.select((), (self._descriptor,), (), 0)[1]:
            return 0
        # Where there is room there is room for so much.
        return os.write(self._descriptor, data[: select.PIPE_BUF if sys.platform != "win32" else len(data)])

    def __del__(self) -> None:
        if self._own is not None:
            with contextlib.suppress(OSError):
                os.close(self._own)


_lines: dict[int, Lines] = {}


def write(descriptor: int, text: str) -> None:
    """Write to a descriptor that `may_block` has named."""
    lines = _lines.get(descriptor)
    if lines is None:
        lines = _lines.setdefault(descriptor, Lines(descriptor))
    lines.write(text.encode(errors="backslashreplace"))


def write_lines(descriptor: int, text: str) -> None:
    """Write whole lines to a descriptor that `may_block` has named.

    Workers share a pipe. The system keeps a write together only if it has at most `PIPE_BUF` bytes, so that no write
    has more, but for a longer line.
    """
    data = text.encode(errors="backslashreplace")
    lines = _lines.get(descriptor) or _lines.setdefault(descriptor, Lines(descriptor))
    begin = 0
    while begin < len(data):
        end = begin + _PIPE_BUF
        if end < len(data):
            end = data.rfind(b"\n", begin, end) + 1 or data.find(b"\n", begin) + 1 or len(data)
        lines.write(data[begin:end])
        begin = end


def flush() -> None:
    """At the end of the program."""
    for lines in list(_lines.values()):
        lines.flush(_EXIT_SEC)


def _forget_in_copy() -> None:
    # The parent writes the waiting lines; its thread does not exist in this process.
    _lines.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_copy)
