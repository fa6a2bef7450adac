"""A proxy in front of Redis that changes bits of payloads on their way, in both directions."""

from __future__ import annotations

import random
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PAYLOAD = re.compile(rb"m{64,}")
"""What may be changed: anything else would break the protocol, which is noticed at once."""


class FlipProxy:
    """Passes everything on; of the payloads that `PAYLOAD` finds, one in `every` arrives with one bit flipped."""

    def __init__(self, port: int, every: int, seed: int) -> None:
        self._target = port
        self._every = every
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self.flipped = 0
        self._start(self._accept)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def _start(self, body: object, *arguments: object) -> None:
        threading.Thread(target=body, args=arguments, daemon=True).start()  # type: ignore[arg-type]

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._sockets += [client, server]
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._start(self._pass, client, server)
            self._start(self._pass, server, client)

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                target.sendall(PAYLOAD.sub(self._changed, data))
        except OSError:
            pass
        for each in (source, target):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def _changed(self, match: re.Match[bytes]) -> bytes:
        payload = bytearray(match[0])
        with self._lock:
            if self._chance.randrange(self._every) == 0:
                self.flipped += 1
                # Another letter: text stays text.
                payload[self._chance.randrange(len(payload))] ^= 1 << self._chance.randrange(1, 5)
        return bytes(payload)

    def end(self) -> None:
        self._listener.close()
        for each in self._sockets:
            each.close()


@contextmanager
def flip_proxy(port: int, every: int, seed: int) -> Iterator[FlipProxy]:
    """One for this block."""
    proxy = FlipProxy(port, every, seed)
    try:
        yield proxy
    finally:
        proxy.end()
