"""Bodies that take their process with them, and bodies that do nothing wrong beside them."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import time

from support import flags
from support.jobs.app import app

PATIENCE_SEC = 60.0


def _die(how: str) -> None:
    if how == "segfault":
        ctypes.string_at(0)
    elif how == "exit":
        os._exit(3)
    else:
        # As the system does for want of memory.
        os.kill(os.getpid(), signal.SIGKILL)


@app.task
def innocent(number: int, seconds: float) -> int:
    """Takes its time."""
    time.sleep(seconds)
    return number


@app.task
async def innocent_coroutine(number: int, seconds: float) -> int:
    """Takes its time on an event loop."""
    await asyncio.sleep(seconds)
    return number


@app.task
def poisoned(how: str, seconds: float) -> None:
    """Ends its process a little later."""
    time.sleep(seconds)
    _die(how)


@app.task
async def poisoned_coroutine(how: str, seconds: float) -> None:
    """Ends its process a little later, from an event loop."""
    await asyncio.sleep(seconds)
    _die(how)


@app.task(running_concurrency="task", reroute_on_concurrency_control=True)
def innocent_with_a_key(number: int, seconds: float) -> int:
    """Runs for a while, one call after the other."""
    time.sleep(seconds)
    return number


@app.task(running_concurrency="task", reroute_on_concurrency_control=True)
def poisoned_with_a_key(how: str, seconds: float) -> None:
    """Ends its process a little later, one call after the other."""
    time.sleep(seconds)
    _die(how)


@app.task
def waits_for(number: int, seconds: float) -> int:
    """An innocent body that waits for another."""
    return innocent(number, seconds).result


@app.task
def waits_for_a_poisoned_one(depth: int, how: str) -> str:
    """A chain of waiting bodies whose last one kills its process."""
    below = waits_for_a_poisoned_one(depth - 1, how) if depth else poisoned(how, 0.1)
    try:
        below.result
    except Exception as error:
        return f"{depth}: {type(error).__name__}"
    return str(below.result)


@app.task(max_retries=1, retry_for=(ValueError,))
def fails_once_alone(name: str) -> int:
    """Dies with its process the first time, fails the second time; how often it ran by then."""
    if not flags.is_raised(f"{name}-died"):
        flags.raise_flag(f"{name}-died")
        _die("segfault")
    if not flags.is_raised(f"{name}-failed"):
        flags.raise_flag(f"{name}-failed")
        raise ValueError("the second time")
    return 3


@app.task
def dies_unless(name: str) -> str:
    """Kills its process until the flag is raised."""
    flags.raise_flag(f"{name}-started", str(os.getpid()))
    if not flags.is_raised(name):
        _die("segfault")
    flags.await_flag(f"{name}-go", PATIENCE_SEC)
    return "lived"
