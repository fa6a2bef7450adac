"""Concurrency control, queues, priorities."""

from __future__ import annotations

import os
import uuid

from support import flags
from support.jobs.app import app
from support.ledger import Ledger

from pynenc import ConcurrencyControlType
from pynenc.invocation import DistributedInvocation


def _record(kind: str, **event: object) -> None:
    Ledger.of_environment().write(kind=kind, pid=os.getpid(), **event)


@app.task(registration_concurrency=ConcurrencyControlType.TASK)
def once_per_task(value: int) -> int:
    return value


@app.task(registration_concurrency=ConcurrencyControlType.ARGUMENTS)
def once_per_arguments(value: int) -> int:
    return value


@app.task(registration_concurrency=ConcurrencyControlType.KEYS, key_arguments=("key",))
def once_per_key(key: str, value: int) -> int:
    return value


@app.task(registration_concurrency=ConcurrencyControlType.KEYS, key_arguments=("key",), on_diff_non_key_args_raise=True)
def once_per_key_or_error(key: str, value: int) -> int:
    return value


@app.task
def as_often_as_asked(value: int) -> int:
    return value


def _inside(name: str, scope: str) -> str:
    """Record how many bodies of this scope are inside at once; stay inside while the gate is closed."""
    token = uuid.uuid4().hex
    _record("enter", scope=scope, token=token)
    flags.raise_flag(f"{name}-inside")
    flags.await_flag(name)
    _record("leave", scope=scope, token=token)
    return name


@app.task(running_concurrency=ConcurrencyControlType.TASK, reroute_on_concurrency_control=True)
def one_at_a_time(name: str) -> str:
    return _inside(name, "task")


@app.task(
    registration_concurrency=ConcurrencyControlType.ARGUMENTS,
    running_concurrency=ConcurrencyControlType.TASK,
    reroute_on_concurrency_control=True,
)
def one_at_a_time_and_once_per_arguments(name: str) -> str:
    return _inside(name, "task")


@app.task(running_concurrency=ConcurrencyControlType.ARGUMENTS, reroute_on_concurrency_control=True)
def one_per_arguments(name: str) -> str:
    return _inside(name, name)


@app.task(running_concurrency=ConcurrencyControlType.KEYS, key_arguments=("key",), reroute_on_concurrency_control=True)
def one_per_key(key: str, name: str) -> str:
    return _inside(name, key)


@app.task(running_concurrency=ConcurrencyControlType.TASK)
def one_or_drop(name: str) -> str:
    return _inside(name, "drop")


@app.task(running_concurrency=ConcurrencyControlType.TASK, reroute_on_concurrency_control=True, max_retries=1)
def one_at_a_time_with_retry(name: str) -> int:
    from pynenc.exceptions import RetryError

    attempt = one_at_a_time_with_retry.invocation.num_retries
    _record("attempt", name=name, attempt=attempt)
    if attempt == 0:
        raise RetryError(name)
    return attempt


@app.task(running_concurrency=ConcurrencyControlType.TASK, reroute_on_concurrency_control=True)
def holder_waits_for_blocked(levels: int) -> int:
    """Holds the key while it waits for another invocation of the key: it can never end."""
    return 0 if levels == 0 else holder_waits_for_blocked(levels - 1).result


@app.task(queue="slow-lane")
def in_slow_lane(tag: str) -> str:
    _record("order", tag=tag)
    return tag


@app.task
def usual(tag: str) -> str:
    _record("order", tag=tag)
    return tag


@app.task(priority=10.0)
def urgent(tag: str) -> str:
    _record("order", tag=tag)
    return tag


@app.task(priority=-10.0)
def leisurely(tag: str) -> str:
    _record("order", tag=tag)
    return tag


@app.task
def waits_for_a_leisurely_one(tag: str) -> str:
    """Its awaited invocation comes before all others, whatever their priority."""
    child: DistributedInvocation[..., str] = leisurely(tag)
    return child.result
