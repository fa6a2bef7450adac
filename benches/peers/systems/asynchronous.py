"""The common part of asyncio clients: each verb is one coroutine, so that no call changes threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from typing import Any

from protocol import Options, System

AT_ONCE = 100
"""How many submissions are under way at a time in a bulk."""


class AsyncSystem(System):
    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.loop = asyncio.new_event_loop()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run on the loop of this client."""
        return self.loop.run_until_complete(work)

    async def submit(self, body: str, args: tuple[Any, ...]) -> Any:
        """Submit one call."""
        raise NotImplementedError

    async def outcome(self, handle: Any, timeout: float) -> Any:
        """Wait for one."""
        raise NotImplementedError

    def send(self, body: str, *args: Any) -> Any:
        return self.do(self.submit(body, args))

    def send_each(self, body: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        async def each() -> list[Any]:
            return [await self.submit(body, args) for args in calls]

        return self.do(each())

    def send_many(self, body: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        async def many() -> list[Any]:
            handles: list[Any] = []
            for start in range(0, len(calls), AT_ONCE):
                handles += await asyncio.gather(*(self.submit(body, args) for args in calls[start : start + AT_ONCE]))
            return handles

        return self.do(many())

    def result(self, handle: Any, timeout: float) -> Any:
        return self.do(self.outcome(handle, timeout))

    def results(self, handles: Sequence[Any], timeout: float) -> list[Any]:
        async def each() -> list[Any]:
            return [await self.outcome(handle, timeout) for handle in handles]

        return self.do(each())

    def round_trips(self, count: int, until: float) -> list[float]:
        async def trips() -> list[float]:
            taken = []
            for number in range(count):
                began = time.perf_counter()
                value = await self.outcome(await self.submit("echo", (number,)), 10.0)
                taken.append(time.perf_counter() - began)
                assert value == number
                if time.monotonic() > until:
                    break
            return taken

        return self.do(trips())
