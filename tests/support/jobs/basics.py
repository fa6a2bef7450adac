"""Values, retries, async bodies, context."""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import time
import uuid
from typing import Any

from support import flags
from support.jobs.app import app
from support.ledger import Ledger
from support.waiting import wait_until

from pynenc import context
from pynenc.exceptions import RetryError

INHERITED: contextvars.ContextVar[str] = contextvars.ContextVar("INHERITED", default="nothing")


@app.task
def add(a: int, b: int) -> int:
    return a + b


@app.task
def shapes(first, /, second=2, *rest, keyword, **more):  # type: ignore[no-untyped-def]
    return [first, second, list(rest), keyword, more]


@app.task
def echo(text: str) -> str:
    return text


@app.task
def nothing() -> None:
    return None


@app.task
def note(tag: str) -> str:
    """Write the execution to the ledger."""
    Ledger.of_environment().write(
        kind="run", id=note.invocation.invocation_id, tag=tag, pid=os.getpid(), run=uuid.uuid4().hex
    )
    return tag


@app.task
def until(name: str) -> str:
    """Say that it runs, then hold its slot until the flag is raised."""
    flags.raise_flag(f"{name}-started", str(os.getpid()))
    return flags.await_flag(name)


@app.task
def until_stopped(name: str) -> str:
    """Like `until`, but at least until the runner in this process is stopping."""
    runner: Any = context.current_runner.get()
    flags.raise_flag(f"{name}-started", str(os.getpid()))
    wait_until(lambda: runner._session.engine.stopping, "a stop of the runner", 60)
    return flags.await_flag(name)


@app.task
def whoami() -> int:
    return os.getpid()


@app.task(max_retries=3)
def ask_for_retry(until_attempt: int) -> int:
    attempt = ask_for_retry.invocation.num_retries
    Ledger.of_environment().write(kind="attempt", attempt=attempt)
    if attempt < until_attempt:
        raise RetryError(f"attempt {attempt}")
    return attempt


@app.task(max_retries=2, retry_for=(KeyError,))
def retry_for_key_error(succeed_at: int) -> int:
    attempt = retry_for_key_error.invocation.num_retries
    Ledger.of_environment().write(kind="attempt", attempt=attempt)
    if attempt < succeed_at:
        raise KeyError(f"attempt {attempt}")
    return attempt


@app.task(max_retries=2, retry_for=(KeyError,))
def fail_with_another_error() -> None:
    Ledger.of_environment().write(kind="attempt")
    raise IndexError("not in retry_for")


@app.task
async def add_slowly(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


@app.task
async def fail_slowly() -> None:
    await asyncio.sleep(0)
    raise LookupError("from a coroutine")


@app.task
async def add_by_await(values: list[int]) -> int:
    """Await single invocations inside a coroutine body."""
    total = 0
    for value in values:
        total += await add_slowly(value, 0).async_result()
    return total


@app.task
async def add_by_async_group(values: list[int]) -> int:
    group = add_slowly.parallelize([(value, 0) for value in values])
    return sum([value async for value in group.async_results()])


@app.task
def own_id() -> str:
    return own_id.invocation.invocation_id


@app.task
def ids_of_parent_and_child() -> list[str | None]:
    """Return the own id, the id of the child, and the child's parent."""
    child = parent_id()
    return [ids_of_parent_and_child.invocation.invocation_id, child.invocation_id, child.result]


@app.task
async def submit_in_coroutine() -> list[str | None]:
    """The same, without blocking the loop."""
    child = await parent_id.submit()
    return [submit_in_coroutine.invocation.invocation_id, child.invocation_id, await child]


@app.task
def parent_id() -> str | None:
    parent = parent_id.invocation.parent_invocation
    return None if parent is None else parent.invocation_id


@app.task
def set_variable(value: str) -> str:
    """Return the value of the variable before setting it: None, unless another body leaked into this one."""
    found = INHERITED.get()
    INHERITED.set(value)
    return found


@app.task
async def variable_in_coroutine(value: str) -> str:
    """A variable set in the body is seen in the coroutines and threads that it starts."""
    INHERITED.set(value)
    await nothing().async_result()
    return await asyncio.to_thread(INHERITED.get)


@app.task
def log_a_line(text: str) -> str:
    log_a_line.logger.warning(text)
    return log_a_line.invocation.invocation_id


@app.task
async def nap(seconds: float) -> int:
    await asyncio.sleep(seconds)
    return os.getpid()


@app.task
async def wait_in_coroutine_without_await() -> int:
    return nap(0.0).result


@app.task
async def block_the_loop(seconds: float) -> None:
    time.sleep(seconds)


@app.task
async def block_the_loop_once(seconds: float) -> str:
    if flags.is_raised("blocked-before"):
        return "by another"
    flags.raise_flag("blocked-before")
    time.sleep(seconds)
    return "by the first"


@app.task
async def class_of_the_loop() -> str:
    cls = type(asyncio.get_running_loop())
    return f"{cls.__module__}.{cls.__name__}"


@app.task
def whoami_until(name: str) -> int:
    """The process it runs in, once the flag is raised; the test knows it before."""
    flags.raise_flag(f"{name}-pid", str(os.getpid()))
    flags.await_flag(name)
    return os.getpid()


@app.task
def log_much(lines: int) -> int:
    for number in range(lines):
        app.logger.warning("%s line %d", "." * 200, number)
    return lines


@app.task
async def frames_above() -> list[str]:
    """The functions of pynenc that are called around this body, the nearest first."""
    frame, found = sys._getframe().f_back, []
    while frame is not None:
        if f"{os.sep}pynenc{os.sep}" in frame.f_code.co_filename:
            found.append(frame.f_code.co_name)
        frame = frame.f_back
    return found
