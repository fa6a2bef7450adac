"""The common part of the proxies in front of Redis: they forward data, each with its own change."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any, Self

Change = Callable[[bytes], bytes]
"""Return the changed piece of a stream. Each stream has its own object, which may remember earlier pieces."""


class Proxy:
    """Passes everything on. A block with it ends it, with all of its connections."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._start(self._accept)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def change(self, answers: bool) -> Change:
        """Return the change of a new connection's answers, or of its requests."""
        raise NotImplementedError

    def _start(self, body: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=body, args=arguments, daemon=True).start()

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
            self._start(self._pass, client, server, self.change(answers=False))
            self._start(self._pass, server, client, self.change(answers=True))

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket, change: Change) -> None:
        try:
            while data := source.recv(1 << 16):
                target.sendall(change(data))
        except OSError:
            pass
        for each in (source, target):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self._listener.close()
        for each in self._sockets:
            each.close()
