"""Bodies whose work is done by processes that they fork."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from support import flags
from support.jobs.app import app
from support.jobs.basics import add

_FORK = multiprocessing.get_context("fork")


def _by_result(number: int) -> int:
    return add(number, 1).result


def _by_group(number: int) -> int:
    return sum(add.parallelize([(number, 1), (0, 0)]).results)


def _by_await(number: int) -> int:
    async def awaits() -> int:
        return await add(number, 1)

    return asyncio.run(awaits())


WAYS: dict[str, Callable[[int], int]] = {"result": _by_result, "group": _by_group, "await": _by_await}


@app.task
def in_a_fork(way: str, number: int) -> list[Any]:
    """Return the result of a wait in a forked copy, and the status of this invocation meanwhile."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, str(WAYS[way](number)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with open(reader, "rb") as told:
        return [told.read().decode(), str(in_a_fork.invocation.status)]


@app.task
def in_a_pool(way: str, numbers: list[int]) -> list[int]:
    with _FORK.Pool(2) as pool:
        return pool.map(WAYS[way], numbers)


@app.task
def in_an_executor(way: str, numbers: list[int]) -> list[int]:
    with ProcessPoolExecutor(2, mp_context=_FORK) as pool:
        return list(pool.map(WAYS[way], numbers))


@app.task
async def in_an_executor_of_a_loop(way: str, numbers: list[int]) -> list[int]:
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(2, mp_context=_FORK) as pool:
        return list(await asyncio.gather(*(loop.run_in_executor(pool, WAYS[way], number) for number in numbers)))


@app.task(timeout=60)
def with_a_time_limit(number: int) -> list[Any]:
    """Like `in_a_fork`, in a body with a time limit."""
    if os.fork() == 0:
        return ["the copy", number]
    return ["the worker", number]


@app.task
async def fork_and_return() -> str:
    if os.fork() == 0:
        return "the copy"
    return "the worker"


@app.task
async def fork_and_await(name: str) -> str:
    """The copy comes back to the loop, where other bodies are ready to run."""
    pid = os.fork()
    await asyncio.sleep(0)
    if pid == 0:
        flags.raise_flag(name)
    return "the worker"


@app.task
async def tick(name: str, count: int) -> list[int]:
    """Say in which processes this body runs."""
    pids = []
    for number in range(count):
        flags.raise_flag(f"{name}-{number}-{os.getpid()}")
        pids.append(os.getpid())
        await asyncio.sleep(0.01)
    return pids


_kept: list[Any] = []


@app.task
def leave_a_process(daemon: bool) -> int:
    """A process of `multiprocessing` that would run forever."""
    process = _FORK.Process(target=time.sleep, args=(600,), daemon=daemon)
    process.start()
    _kept.append(process)
    assert process.pid is not None
    return process.pid


@app.task
def leave_an_executor(busy: bool) -> list[int]:
    """A pool that is never shut down: its processes have no work, or too much."""
    pool = ProcessPoolExecutor(2, mp_context=_FORK)
    _kept.append(pool)
    pids = sorted({pool.submit(_who, 0.2).result() for _ in range(2)} | set(pool._processes))
    if busy:
        pool.submit(time.sleep, 600)
    return pids


def _who(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


OWN = random.Random(1)


@app.task
def draw() -> list[float]:
    """A number of each generator that this module knows."""
    numbers = [random.random(), OWN.random()]
    try:
        import numpy
    except ImportError:
        return numbers
    return [*numbers, float(numpy.random.random())]
