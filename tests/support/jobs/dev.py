"""Tasks for dev mode, whose effects the test sees in this process."""

from __future__ import annotations

import asyncio
from typing import Any

from support.jobs.app import app

from pynenc.invocation import DistributedInvocation

seen: list[str] = []
appended: list[list[int]] = []
waiting: list[int] = []


class Known(Exception):
    """Found by the module of the task."""


def _hidden() -> type[Exception]:
    return type("Hidden", (Exception,), {"__module__": "somewhere.else"})


@app.task
def record(text: str) -> str:
    seen.append(text)
    return text


@app.task
async def record_later(text: str) -> str:
    await asyncio.sleep(0)
    seen.append(text)
    return text


@app.task
def append(items: list[Any], item: int) -> list[int]:
    items.append(item)
    appended.append(items)
    return items


@app.task
def returns_a_tuple():  # type: ignore[no-untyped-def]
    return (1, 2)


@app.task
def fail_with(name: str) -> None:
    seen.append(name)
    raise (Known if name == "Known" else _hidden())(name)


@app.task
async def fail_in_a_coroutine(name: str) -> None:
    await asyncio.sleep(0)
    raise Known(name)


@app.task(max_retries=1, retry_for=(Known,))
def fail_at_first(item: int) -> int:
    if not fail_at_first.invocation.num_retries:
        raise Known("at first")
    return item


@app.task
def call_append() -> list[int]:
    return append([1], 2).result


@app.task
def own_loop() -> int:
    return asyncio.run(_one())


async def _one() -> int:
    return 1


@app.task
async def loop_of() -> int:
    return id(asyncio.get_running_loop())


@app.task
async def wait_for_ever() -> None:
    waiting.append(1)
    await asyncio.Event().wait()


@app.task
def interrupt() -> None:
    raise KeyboardInterrupt


@app.task
def result_of(invocation: DistributedInvocation[Any, list[int]]) -> list[int]:
    return invocation.result
