"""Huey: one consumer with eight threads; on Redis, or on a SQLite file."""

from __future__ import annotations

from typing import Any

import bodies
from huey import RedisHuey, SqliteHuey
from protocol import Options, System

OPTIONS = Options.here()
if OPTIONS.store == "sqlite":
    huey = SqliteHuey("bench", filename=f"{OPTIONS.folder}/huey.db", fsync=True)
else:
    # Results are pushed, where the default is to poll for them.
    huey = RedisHuey("bench", url=OPTIONS.redis_url, notify_result=True)
TASKS: dict[str, Any] = {
    name: huey.task(name=name)(getattr(bodies, name)) for name in ("echo", "stamp", "nap", "spin", "size", "hold")
}


@huey.task()
def fan(children: int) -> int:
    """Send, wait, add."""
    sent = [TASKS["echo"](number) for number in range(children)]
    return sum([one.get(blocking=True, timeout=15.0) for one in sent])


@huey.task()
def fib(n: int) -> int:
    """By nested waits."""
    if n < 2:
        return n
    sent = [fib(n - 1), fib(n - 2)]
    return sum([one.get(blocking=True, timeout=15.0) for one in sent])


TASKS |= {"fan": fan, "fib": fib}


class HueySystem(System):
    def start(self, slots: int | None = None) -> None:
        self.spawn_python(
            "-c", "import sys; from huey.bin.huey_consumer import consumer_main; sys.exit(consumer_main())",
            "systems.huey.huey", "-w", str(slots or 8), "-k", "thread", "-d", "0.01", "-m", "0.02", "-q",
        )  # fmt: skip

    def send(self, body: str, *args: Any) -> Any:
        return TASKS[body](*args)

    def result(self, handle: Any, timeout: float) -> Any:
        return handle.get(blocking=True, timeout=timeout)

    def purge(self) -> None:
        huey.flush()
        super().purge()


def make(options: Options) -> System:
    """The system of this module."""
    return HueySystem(options)
