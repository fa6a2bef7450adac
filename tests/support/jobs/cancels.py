"""Bodies that are cancelled while they run."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from support import flags
from support.jobs.app import app
from support.jobs.basics import add, until
from support.ledger import Ledger

from pynenc.exceptions import TaskCancelledError


def _spin(name: str) -> None:
    flags.raise_flag(f"{name}-runs")
    while True:
        time.sleep(0.005)


@app.task
def spin(name: str) -> None:
    try:
        _spin(name)
    finally:
        flags.raise_flag(f"{name}-cleaned-up")


@app.task
async def sleep_for_ever(name: str) -> None:
    try:
        flags.raise_flag(f"{name}-runs")
        await asyncio.sleep(3600)
    finally:
        flags.raise_flag(f"{name}-cleaned-up")


@app.task
def finish_anyway(name: str) -> str:
    try:
        _spin(name)
    except TaskCancelledError:
        return "finished anyway"


@app.task(max_retries=3, retry_for=(KeyError,))
def want_a_retry(name: str) -> None:
    try:
        _spin(name)
    except TaskCancelledError as error:
        raise KeyError(name) from error


@app.task
def do_not_stop(name: str) -> str:
    flags.raise_flag(f"{name}-runs")
    while not flags.is_raised(name):
        try:
            while not flags.is_raised(name):
                time.sleep(0.005)
        except TaskCancelledError:
            flags.raise_flag(f"{name}-swallowed")
    return "too late"


@app.task
def sleep_in_one_call(name: str) -> None:
    Ledger.of_environment().write(kind="run", tag=name)
    flags.raise_flag(f"{name}-runs")
    time.sleep(600)


@app.task
def wait_for(name: str) -> Any:
    child = until(name)
    flags.raise_flag(f"{name}-waits", str(child.invocation_id))
    return child.result


@app.task
async def wait_for_in_a_coroutine(name: str) -> Any:
    child = until(name)
    flags.raise_flag(f"{name}-waits", str(child.invocation_id))
    return await child


@app.task
def cancel_a_child() -> str:
    child = spin("child")
    flags.await_flag("child-runs")
    child.cancel()
    try:
        child.get_result(timeout=60)
    except Exception as error:
        return type(error).__name__ + " " + str(add(1, 1).result)
    return "it finished"
