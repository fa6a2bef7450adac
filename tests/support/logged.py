"""A separate app: tasks that log with the logger of their module, and tasks whose end appears in the log."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time

from support import flags

from pynenc import Pynenc

app = Pynenc()
log = logging.getLogger(__name__)


@app.task
def tell(text: str) -> str:
    log.info("told %s", text, extra={"told": text, "task_id": "mine"})
    log.debug("hidden %s", text)
    return text


@app.task
def fail(text: str) -> None:
    raise LookupError(text)


@app.task
async def fail_async(text: str) -> None:
    await asyncio.sleep(0)
    raise LookupError(text)


@app.task(max_retries=1, retry_for=(ConnectionError,))
def fail_once() -> int:
    if fail_once.invocation.num_retries == 0:
        raise ConnectionError("not yet")
    return fail_once.invocation.num_retries


@app.task(timeout=0.1)
async def too_slow() -> None:
    await asyncio.sleep(60)


@app.task(timeout=0.1)
async def stubborn() -> None:
    """Does not stop at its timeout, and fails a little after it was given up, a second later."""
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            continue
    raise LookupError("too late")


@app.task
def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(running_concurrency="task", reroute_on_concurrency_control=False)
def only_one(name: str) -> str:
    flags.raise_flag(f"{name}-started")
    return flags.await_flag(name)
