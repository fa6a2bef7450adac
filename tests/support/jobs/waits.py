"""Bodies that wait for other invocations."""

from __future__ import annotations

import asyncio
import contextvars
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from support import flags
from support.jobs.app import app
from support.jobs.basics import add, until

from pynenc import Task
from pynenc.invocation import DistributedInvocation


@app.task
def fib(n: int) -> int:
    if n < 2:
        return n
    one, two = fib(n - 1), fib(n - 2)
    return one.result + two.result


@app.task
def chain(depth: int) -> int:
    """As many nested waits as `depth`."""
    return 0 if depth == 0 else 1 + chain(depth - 1).result


@app.task
def sum_of_group(values: list[int]) -> int:
    group = add.parallelize([(value, 0) for value in values])
    return sum(group.results)


@app.task
def fan_out(width: int, depth: int) -> int:
    """The number of leaves of a tree."""
    if depth == 0:
        return 1
    return sum(fan_out.parallelize([{"width": width, "depth": depth - 1}] * width).results)


@app.task
def walk(node: dict[str, Any]) -> int:
    """Add up a tree that travels as data: `{"value": int, "style": str, "children": [...]}`."""
    children = node["children"]
    if not children:
        return node["value"]
    if node["style"] == "group":
        total = sum(walk.parallelize([(child,) for child in children]).results)
    elif node["style"] == "timeout":
        total = sum([invocation.get_result(timeout=60) for invocation in [walk(child) for child in children]])
    elif node["style"] == "one by one":
        total = sum(walk(child).result for child in children)
    else:
        total = sum([invocation.result for invocation in [walk(child) for child in children]])
    return node["value"] + total


@app.task
async def walk_async(node: dict[str, Any]) -> int:
    """The same, in coroutines."""
    group = walk_async.parallelize([(child,) for child in node["children"]])
    return node["value"] + sum([value async for value in group.async_results()])


@app.task
def wait_for(target: DistributedInvocation[Any, int]) -> int:
    """An invocation travels as an argument by its id."""
    return target.result


@app.task
def wait_for_id(target: str) -> Any:
    return DistributedInvocation(app, target).result


@app.task
async def sum_by_threads(values: list[int]) -> int:
    """Several threads of one body wait at the same time."""

    def one(value: int) -> int:
        return add(value, 0).result

    return sum(await asyncio.gather(*[asyncio.to_thread(one, value) for value in values]))


@app.task
def sum_by_a_pool(values: list[int]) -> int:
    """The same with a pool, each of whose calls runs in a copy of the body's context."""

    def one(value: int) -> int:
        return add(value, 0).result

    with ThreadPoolExecutor(len(values)) as pool:
        calls = [pool.submit(contextvars.copy_context().run, one, value) for value in values]
        return sum(call.result() for call in calls)


@app.task
def start_another(a: int, b: int) -> DistributedInvocation[Any, int]:
    """An invocation travels as a result."""
    return add(a, b)


@app.task
def wait_for_myself() -> int:
    return DistributedInvocation(app, wait_for_myself.invocation.invocation_id).result


@app.task
def wait_for_each_other(mine: str, theirs: str) -> int:
    """Two of these, with swapped names, wait for one another."""
    flags.raise_flag(mine, wait_for_each_other.invocation.invocation_id)
    return DistributedInvocation(app, flags.await_flag(theirs)).result


@app.task
def wait_for_a_child_that_waits_for_me() -> int:
    """A cycle that needs only one slot."""
    return wait_for_id(wait_for_a_child_that_waits_for_me.invocation.invocation_id).result


@app.task
def give_up_after(target: str, seconds: float) -> str:
    try:
        DistributedInvocation(app, target).get_result(timeout=seconds)
    except TimeoutError as error:
        return type(error).__name__
    return "no timeout"


@app.task(queue="nobody")
def never() -> int:
    """In a queue that the runner of the test does not serve."""
    return 0


@app.task
def wait_in_process(target: DistributedInvocation[Any, int], mark: str) -> int:
    flags.raise_flag(mark, str(os.getpid()))
    return target.result


@app.task
def call_it(target: Task[[int, int], int], pairs: list[tuple[int, int]]) -> int:
    """A task travels as an argument, and is called where it arrives."""
    return sum(target.parallelize([tuple(pair) for pair in pairs]).results)


@app.task
def choose(wanted: bool) -> Task[[int, int], int] | None:
    """A task travels as a result."""
    return add if wanted else None


@app.task
def call_any(target):  # type: ignore[no-untyped-def]
    """Accepts any JSON value."""
    return type(target).__name__


@app.task
async def await_another(invocation_id: str) -> int:
    """Wait, as one of many, for an invocation of another caller."""
    await DistributedInvocation(app, invocation_id)
    return os.getpid()


@app.task
def wait_and_say_where(name: str) -> str:
    """Wait for a body that waits for the flag `name`."""
    flags.raise_flag("waits-here", str(os.getpid()))
    return str(until(name).result)


@app.task
def wait_for_two(name: str) -> list[Any]:
    """One wait for a group."""
    group = until.parallelize([(name,), (name,)])
    flags.raise_flag(f"{name}-waits")
    return list(group.results)


@app.task
async def wait_for_two_in_a_coroutine(name: str) -> list[Any]:
    group = await until.submit_many([(name,), (name,)])
    flags.raise_flag(f"{name}-waits")
    return [result async for result in group.async_results()]


@app.task
def wait_when_told(name: str) -> Any:
    """Submits, and begins to wait only when the flag is raised."""
    child = until(name)
    flags.raise_flag(f"{name}-waits")
    flags.await_flag(f"{name}-begin", 300)
    return child.result


@app.task
async def wait_when_told_in_a_coroutine(name: str) -> Any:
    child = await until.submit(name)
    flags.raise_flag(f"{name}-waits")
    await asyncio.to_thread(flags.await_flag, f"{name}-begin", 300)
    return await child
