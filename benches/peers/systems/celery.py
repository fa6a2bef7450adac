"""Celery: prefork pool of two, Redis as broker and result backend."""

from __future__ import annotations

from typing import Any

import bodies
from celery import Celery, chord
from celery.result import allow_join_result
from protocol import Options, System

URL = Options.here().redis_url
app = Celery("bench", broker=URL, backend=URL)
app.conf.update(
    worker_prefetch_multiplier=4,
    worker_send_task_events=False,
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    broker_connection_retry_on_startup=True,
    # The dearer setting, without which a task whose process is killed is lost.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
)
TASKS: dict[str, Any] = {
    name: app.task(getattr(bodies, name), name=name) for name in ("echo", "stamp", "nap", "spin", "size", "hold")
}


@app.task(name="total")
def total(values: list[int]) -> int:
    """The body of the chord."""
    return sum(values)


@app.task(name="fan", bind=True)
def fan(self: Any, children: int) -> Any:
    """The documented way to use the results of others inside a task: become a chord."""
    return self.replace(chord([TASKS["echo"].s(number) for number in range(children)], total.s()))


@app.task(name="fib")
def fib(n: int) -> int:
    """By nested waits, which the documentation warns of."""
    if n < 2:
        return n
    left, right = fib.delay(n - 1), fib.delay(n - 2)
    with allow_join_result():
        return left.get() + right.get()


TASKS |= {"fan": fan, "fib": fib}


class CelerySystem(System):
    def start(self, slots: int | None = None) -> None:
        self.spawn_python(
            "-m", "celery", "-A", "systems.celery", "worker", "--pool", "prefork", "-c", str(slots or 2),
            "--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR",
        )  # fmt: skip

    def send(self, body: str, *args: Any) -> Any:
        return TASKS[body].delay(*args)

    def result(self, handle: Any, timeout: float) -> Any:
        return handle.get(timeout=timeout)


def make(options: Options) -> System:
    """The system of this module."""
    return CelerySystem(options)
