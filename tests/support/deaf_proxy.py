"""A proxy in front of Redis through which no notification comes."""

from __future__ import annotations

from support.proxies import Change, Proxy


class DeafProxy(Proxy):
    """Nothing reaches a connection that has subscribed, once that is confirmed."""

    def __init__(self, port: int) -> None:
        self.dropped = 0
        super().__init__(port)

    def change(self, answers: bool) -> Change:
        subscribed = False

        def pass_until_subscribed(data: bytes) -> bytes:
            nonlocal subscribed
            if subscribed:
                self.dropped += len(data)
                return b""
            subscribed = answers and b"\nssubscribe\r\n" in data
            return data

        return pass_until_subscribed
