"""Messages between a runner, its zygote and its workers: frames of JSON on a Unix socket, with descriptors."""

from __future__ import annotations

import array
import json
import os
import socket
import struct
import threading
from collections import deque
from typing import Any

_LENGTH = struct.Struct("!I")
_CHUNK = 65536
_INT = array.array("i").itemsize
_ROOM = socket.CMSG_SPACE(8 * _INT) if hasattr(socket, "CMSG_SPACE") else 0

# Where the kernel cannot mark a received descriptor at once, it is marked right after: only a fork of another thread in
# between would inherit it, and the process that receives descriptors is single-threaded.
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)

Message = dict[str, Any]


class Channel:
    """One end of a connection. Any thread may send; one thread at a time may receive."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = bytearray()
        self._descriptors: deque[int] = deque()
        self._lock = threading.Lock()
        self.ended = False
        """Whether the other side has closed, or is gone."""

    @classmethod
    def pair(cls) -> tuple[Channel, socket.socket]:
        """A channel, and the socket for the other side. Neither survives an `exec` unless passed on."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return cls(ours), theirs

    def fileno(self) -> int:
        """For a selector."""
        return self._socket.fileno()

    def send(self, message: Message, descriptor: int | None = None) -> bool:
        """Send one message, and a descriptor with it. False if the other side is gone. Blocks if it does not read."""
        if descriptor is not None:
            message = {**message, "fd": True}
        body = json.dumps(message).encode()
        frame = _LENGTH.pack(len(body)) + body
        try:
            with self._lock:
                if descriptor is not None:
                    sent = socket.send_fds(self._socket, [frame], [descriptor])
                    frame = frame[sent:]
                self._socket.sendall(frame)
        except OSError:
            return False
        return True

    def receive(self) -> Message | None:
        """The next message; None at the end. Blocks."""
        while (message := self._complete()) is None and not self.ended:
            self._read(0)
        return message

    def drain(self) -> list[Message]:
        """What has arrived, without blocking. `ended` tells whether more can come."""
        while not self.ended and self._read(socket.MSG_DONTWAIT):
            pass
        messages = []
        while (message := self._complete()) is not None:
            messages.append(message)
        return messages

    def close(self) -> None:
        """Idempotent."""
        self._socket.close()
        while self._descriptors:
            os.close(self._descriptors.popleft())

    def abandon(self) -> None:
        """Close this end in a forked copy of the process, where another thread may have held the lock at the fork."""
        self._lock = threading.Lock()
        self.close()

    def _read(self, flags: int) -> bool:
        try:
            # Not socket.recv_fds, which drops the flags.
            data, ancillary, _, _ = self._socket.recvmsg(_CHUNK, _ROOM, flags | _CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data, ancillary = b"", []
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors = array.array("i", payload[: len(payload) - len(payload) % _INT])
                for descriptor in descriptors:
                    os.set_inheritable(descriptor, False)
                self._descriptors.extend(descriptors)
        self._buffer += data
        self.ended = not data
        return bool(data)

    def _complete(self) -> Message | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        message: Message = json.loads(bytes(self._buffer[_LENGTH.size : end]))
        del self._buffer[:end]
        if message.get("fd"):
            message["fd"] = self._descriptors.popleft()
        return message
