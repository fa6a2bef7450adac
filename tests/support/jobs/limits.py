"""Bodies with time limits."""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from typing import Any

from support import flags
from support.jobs.app import app
from support.jobs.basics import until
from support.ledger import Ledger

from pynenc.exceptions import TaskTimeoutError


def _spin() -> None:
    while True:
        time.sleep(0.01)


@app.task(timeout=0.3)
def spin() -> None:
    _spin()


@app.task(timeout=60)
def note_in_time(tag: str) -> str:
    Ledger.of_environment().write(kind="run", tag=tag)
    return tag


@app.task(soft_timeout=0.2, timeout=60)
def spin_until_soft() -> None:
    _spin()


@app.task(soft_timeout=0.2, timeout=60)
def clean_up() -> str:
    try:
        _spin()
    except TaskTimeoutError:
        return "cleaned up"


@app.task(timeout=0.3)
async def sleep_for_ever() -> None:
    await asyncio.sleep(3600)


@app.task(soft_timeout=0.2)
async def sleep_until_soft() -> None:
    await asyncio.sleep(3600)


@app.task(timeout=0.3, max_retries=2, retry_for=(TaskTimeoutError,))
def spin_at_first() -> int:
    retries = int(spin_at_first.invocation.num_retries)
    if retries < 2:
        _spin()
    return retries


@app.task(timeout=0.3)
def wait_for(name: str) -> Any:
    return until(name).result


@app.task(timeout=0.3)
async def wait_for_in_a_coroutine(name: str) -> Any:
    return await until(name)


@app.task(timeout=0.3)
def do_not_stop() -> str:
    Ledger.of_environment().write(kind="stubborn")
    flags.raise_flag("stubborn-started")
    while not flags.is_raised("stubborn"):
        try:
            while not flags.is_raised("stubborn"):
                time.sleep(0.01)
        except TaskTimeoutError:
            Ledger.of_environment().write(kind="swallowed")
    flags.raise_flag("stubborn-ended")
    return "too late"


@app.task(timeout=0.3)
async def do_not_stop_coroutine() -> str:
    while not flags.is_raised("stubborn"):
        try:
            await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            Ledger.of_environment().write(kind="swallowed")
    flags.raise_flag("stubborn-ended")
    return "too late"


@app.task(timeout=1.5)
def sleep_beyond_the_limit(name: str) -> None:
    Ledger.of_environment().write(kind="run", tag=name, id=sleep_beyond_the_limit.invocation.invocation_id)
    flags.raise_flag(f"{name}-runs")
    # No exception arrives during one call of C.
    time.sleep(600)


@app.task(timeout=0.3)
def hold_the_gil() -> None:
    ctypes.PyDLL(None).sleep(3600)


@app.task(timeout=2.0)
def until_frozen() -> None:
    """Says where it runs, to be stopped there by a signal."""
    flags.raise_flag("to-be-frozen", str(os.getpid()))
    _spin()


@app.task(timeout=30, soft_timeout=20)
def quick(number: int) -> int:
    return number


@app.task(timeout=30)
async def quick_coroutine(number: int) -> int:
    return number
