"""Dramatiq: two processes of eight threads, Redis as broker and result backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bodies
import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from protocol import Options, System

URL = Options.here().redis_url
broker = RedisBroker(url=URL)
broker.add_middleware(Results(backend=RedisBackend(url=URL), store_results=True))
dramatiq.set_broker(broker)
TASKS: dict[str, Any] = {
    name: dramatiq.actor(getattr(bodies, name), actor_name=name)
    for name in ("echo", "stamp", "nap", "spin", "size", "hold")
}


@dramatiq.actor
def fan(children: int) -> int:
    """A group, whose results are waited for."""
    group = dramatiq.group([TASKS["echo"].message(number) for number in range(children)]).run()
    return sum(group.get_results(block=True, timeout=15_000))


@dramatiq.actor
def fib(n: int) -> int:
    """By nested waits."""
    if n < 2:
        return n
    left, right = fib.send(n - 1), fib.send(n - 2)
    return left.get_result(block=True, timeout=15_000) + right.get_result(block=True, timeout=15_000)


TASKS |= {"fan": fan, "fib": fib}


class DramatiqSystem(System):
    def start(self, slots: int | None = None) -> None:
        threads = "8" if slots is None else str(slots // 2)
        self.spawn_python("-m", "dramatiq", "systems.dramatiq", "--processes", "2", "--threads", threads)

    def send(self, body: str, *args: Any) -> Any:
        return TASKS[body].send(*args)

    def result(self, handle: Any, timeout: float) -> Any:
        return handle.get_result(block=True, timeout=int(timeout * 1000))

    def results(self, handles: Sequence[Any], timeout: float) -> list[Any]:
        return [handle.get_result(block=True, timeout=int(timeout * 1000)) for handle in handles]


def make(options: Options) -> System:
    """The system of this module."""
    return DramatiqSystem(options)
