"""Taskiq: Redis streams, two worker processes; bodies that do not compute are coroutines, as its users write them."""

from __future__ import annotations

import asyncio
from typing import Any

import bodies
from protocol import Options, System
from systems.asynchronous import AT_ONCE, AsyncSystem
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

URL = Options.here().redis_url
POLL_SEC = 0.001
broker = RedisStreamBroker(URL, consumer_id="0").with_result_backend(RedisAsyncResultBackend(URL))


async def echo(value: int) -> int:
    """As in `bodies`."""
    return bodies.echo(value)


async def stamp(path: str) -> int:
    """As in `bodies`."""
    return bodies.stamp(path)


async def nap(seconds: float) -> int:
    """As in `bodies`."""
    await asyncio.sleep(seconds)
    return 1


async def size(data: str) -> int:
    """As in `bodies`."""
    return bodies.size(data)


async def fan(children: int) -> int:
    """Send, wait, add."""
    sent: list[Any] = []
    for start in range(0, children, AT_ONCE):
        many = range(start, min(children, start + AT_ONCE))
        sent += await asyncio.gather(*(TASKS["echo"].kiq(number) for number in many))
    return sum([(await one.wait_result(check_interval=POLL_SEC)).return_value for one in sent])


async def fib(n: int) -> int:
    """By nested waits."""
    if n < 2:
        return n
    left, right = await TASKS["fib"].kiq(n - 1), await TASKS["fib"].kiq(n - 2)
    results = [await one.wait_result(check_interval=POLL_SEC) for one in (left, right)]
    return sum(one.return_value for one in results)


TASKS: dict[str, Any] = {
    body.__name__: broker.register_task(body, task_name=body.__name__)
    for body in (echo, stamp, nap, size, fan, fib, bodies.spin, bodies.hold)
}


class TaskiqSystem(AsyncSystem):
    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.do(broker.startup())

    def start(self, slots: int | None = None) -> None:
        limit = () if slots is None else ("--max-async-tasks", str(slots // 2))
        self.spawn_python(
            "-m", "taskiq", "worker", "systems.taskiq:broker", "--workers", "2", "--log-level", "ERROR", *limit
        )

    async def submit(self, body: str, args: tuple[Any, ...]) -> Any:
        return await TASKS[body].kiq(*args)

    async def outcome(self, handle: Any, timeout: float) -> Any:
        return (await handle.wait_result(check_interval=POLL_SEC, timeout=timeout)).return_value

    def purge(self) -> None:
        super().purge()
        # The group of consumers went with the stream.
        self.do(broker.startup())


def make(options: Options) -> System:
    """The system of this module."""
    return TaskiqSystem(options)
