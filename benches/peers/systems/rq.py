"""RQ: two simple workers, which do not fork for each job."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import bodies
from protocol import Options, System
from redis import Redis
from rq import Queue

URL = Options.here().redis_url


def queue() -> Queue:
    """The queue, on a connection of this process."""
    if not _QUEUES:
        _QUEUES.append(Queue("bench", connection=Redis.from_url(URL, socket_timeout=None)))
    return _QUEUES[0]


_QUEUES: list[Queue] = []


def returned(job: Any, timeout: float) -> Any:
    """Block on the stream of results."""
    result = job.latest_result(timeout=max(1, int(timeout)))
    if result is None:
        raise TimeoutError(f"no result of {job.id} within {timeout:g} s")
    return result.return_value


def fan(children: int) -> int:
    """Send, wait, add."""
    many = [Queue.prepare_data(bodies.echo, (number,)) for number in range(children)]
    return sum([returned(job, 15.0) for job in queue().enqueue_many(many)])


def fib(n: int) -> int:
    """By nested waits."""
    if n < 2:
        return n
    return sum([returned(job, 15.0) for job in [queue().enqueue(fib, n - 1), queue().enqueue(fib, n - 2)]])


BODIES: dict[str, Any] = {"fan": fan, "fib": fib}


def body_of(name: str) -> Any:
    """The function with this name."""
    return BODIES.get(name) or getattr(bodies, name)


class RqSystem(System):
    def start(self, slots: int | None = None) -> None:
        for _ in range(slots or 2):
            self.spawn_python("-m", "rq.cli", "worker", "-w", "rq.worker.SimpleWorker", "--url", URL, "-q", "bench")

    def send(self, body: str, *args: Any) -> Any:
        return queue().enqueue(body_of(body), *args)

    def send_many(self, body: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        jobs: list[Any] = []
        for start in range(0, len(calls), 500):
            many = [Queue.prepare_data(body_of(body), args) for args in calls[start : start + 500]]
            jobs += queue().enqueue_many(many)
        return jobs

    def result(self, handle: Any, timeout: float) -> Any:
        return returned(handle, timeout)

    def results(self, handles: Sequence[Any], timeout: float) -> list[Any]:
        deadline = time.monotonic() + timeout
        return [returned(handle, deadline - time.monotonic()) for handle in handles]


def make(options: Options) -> System:
    """The system of this module."""
    return RqSystem(options)
