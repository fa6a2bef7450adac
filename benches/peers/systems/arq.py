"""arq: two workers with a short poll."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import bodies
from arq import create_pool
from arq.connections import RedisSettings
from protocol import Options, System
from systems.asynchronous import AT_ONCE, AsyncSystem

SETTINGS = RedisSettings(host="127.0.0.1", port=Options.here().redis_port)
POLL_SEC = 0.001


async def echo(ctx: dict[str, Any], value: int) -> int:
    """As in `bodies`."""
    return bodies.echo(value)


async def stamp(ctx: dict[str, Any], path: str) -> int:
    """As in `bodies`."""
    return bodies.stamp(path)


async def nap(ctx: dict[str, Any], seconds: float) -> int:
    """As in `bodies`."""
    await asyncio.sleep(seconds)
    return 1


async def spin(ctx: dict[str, Any], steps: int) -> int:
    """As in `bodies`."""
    return bodies.spin(steps)


async def size(ctx: dict[str, Any], data: str) -> int:
    """As in `bodies`."""
    return bodies.size(data)


async def hold(ctx: dict[str, Any], path: str) -> int:
    """As in `bodies`."""
    return bodies.hold(path)


async def fan(ctx: dict[str, Any], children: int) -> int:
    """Send, wait, add."""
    sent: list[Any] = []
    for start in range(0, children, AT_ONCE):
        many = range(start, min(children, start + AT_ONCE))
        sent += await asyncio.gather(*(ctx["redis"].enqueue_job("echo", number) for number in many))
    return sum([await one.result(poll_delay=POLL_SEC) for one in sent])


async def fib(ctx: dict[str, Any], n: int) -> int:
    """By nested waits."""
    if n < 2:
        return n
    sent = [await ctx["redis"].enqueue_job("fib", below) for below in (n - 1, n - 2)]
    return sum([await one.result(poll_delay=POLL_SEC) for one in sent])


class WorkerSettings:
    functions: ClassVar[list[Any]] = [echo, stamp, nap, spin, size, hold, fan, fib]
    redis_settings = SETTINGS
    poll_delay = 0.01
    max_jobs = 100
    log_results = False


class SlotSettings(WorkerSettings):
    """One body at a time in each of two workers."""

    max_jobs = 1


class ArqSystem(AsyncSystem):
    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.pool = self.do(create_pool(SETTINGS))

    def start(self, slots: int | None = None) -> None:
        settings = "WorkerSettings" if slots is None else "SlotSettings"
        for _ in range(2):
            self.spawn_python("-m", "arq", f"systems.arq.{settings}")

    async def submit(self, body: str, args: tuple[Any, ...]) -> Any:
        return await self.pool.enqueue_job(body, *args)

    async def outcome(self, handle: Any, timeout: float) -> Any:
        return await handle.result(timeout=timeout, poll_delay=POLL_SEC)


def make(options: Options) -> System:
    """The system of this module."""
    return ArqSystem(options)
