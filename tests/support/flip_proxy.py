"""A proxy in front of Redis that changes bits of payloads on their way, in both directions."""

from __future__ import annotations

import random
import re
import threading

from support.proxies import Change, Proxy

PAYLOAD = re.compile(rb"m{64,}")
"""The bytes that may be changed: any other change would break the protocol, which is noticed at once."""


class FlipProxy(Proxy):
    """Of the payloads that `PAYLOAD` finds, one in `every` arrives with one flipped bit."""

    def __init__(self, port: int, every: int, seed: int) -> None:
        self._every = every
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self.flipped = 0
        super().__init__(port)

    def change(self, answers: bool) -> Change:
        return lambda data: PAYLOAD.sub(self._changed, data)

    def _changed(self, match: re.Match[bytes]) -> bytes:
        payload = bytearray(match[0])
        with self._lock:
            if self._chance.randrange(self._every) == 0:
                self.flipped += 1
                # Another letter: text stays text.
                payload[self._chance.randrange(len(payload))] ^= 1 << self._chance.randrange(1, 5)
        return bytes(payload)
