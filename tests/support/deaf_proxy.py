"""A proxy in front of Redis through which no notification comes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class DeafProxy:
    """Passes everything on, but nothing to a connection that has subscribed, once that is confirmed."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self.dropped = 0
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
            self._start(self._pass, client, server, False)
            self._start(self._pass, server, client, True)

    def _pass(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        subscribed = False
        try:
            while data := source.recv(1 << 16):
                if subscribed:
                    self.dropped += len(data)
                    continue
                target.sendall(data)
                subscribed = answers and b"\nssubscribe\r\n" in data
        except OSError:
            pass
        for each in (source, target):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def end(self) -> None:
        self._listener.close()
        for each in self._sockets:
            each.close()


@contextmanager
def deaf_proxy(port: int) -> Iterator[DeafProxy]:
    """One for this block."""
    proxy = DeafProxy(port)
    try:
        yield proxy
    finally:
        proxy.end()
