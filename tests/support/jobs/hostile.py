"""Coroutine bodies that attack their event loop, and innocent ones beside them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from support import flags
from support.jobs.app import app

_sleep = asyncio.sleep
_get_loop = asyncio.get_running_loop


def _cancel_all_tasks() -> None:
    for task in asyncio.all_tasks():
        task.cancel()


def _cancel_all_others() -> None:
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


def _stop_the_loop() -> None:
    _get_loop().stop()


def _close_the_loop() -> None:
    _get_loop().close()


def _close_the_selector() -> None:
    _get_loop()._selector.close()  # type: ignore[attr-defined]


def _close_the_wake_up() -> None:
    """The socket by which other threads wake the loop."""
    loop: Any = _get_loop()
    loop._remove_reader(loop._ssock.fileno())
    loop._csock.close()


def _raise_out_of_the_loop() -> None:
    def cancelled(*args: Any) -> NoReturn:
        raise asyncio.CancelledError

    loop: Any = _get_loop()
    loop._run_once = cancelled


def _raise_in_callbacks() -> None:
    def raising(error: type[BaseException]) -> NoReturn:
        raise error

    for error in (ZeroDivisionError, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError):
        _get_loop().call_soon(raising, error)


def _replace_the_exception_handler() -> None:
    def handler(loop: Any, details: Any) -> NoReturn:
        raise SystemExit

    _get_loop().set_exception_handler(handler)
    _raise_in_callbacks()


def _take_the_loop_away() -> None:
    asyncio.set_event_loop(None)
    asyncio._set_running_loop(None)


class _NoPolicy(asyncio.DefaultEventLoopPolicy):
    def get_event_loop(self) -> NoReturn:
        raise RuntimeError("no loops here")


def _replace_the_policy() -> None:
    asyncio.set_event_loop_policy(_NoPolicy())


def _patch_sleep() -> None:
    async def sleep(*args: Any) -> NoReturn:
        raise RuntimeError("no sleep here")

    asyncio.sleep = sleep  # type: ignore[assignment]


def _patch_time() -> None:
    time.monotonic = lambda: 0.0
    time.time = lambda: 0.0


ACTS: dict[str, Callable[[], None]] = {
    "cancels all tasks": _cancel_all_tasks,
    "cancels all other tasks": _cancel_all_others,
    "stops the loop": _stop_the_loop,
    "closes the loop": _close_the_loop,
    "closes the selector": _close_the_selector,
    "closes the wake-up": _close_the_wake_up,
    "raises out of the loop": _raise_out_of_the_loop,
    "raises in callbacks": _raise_in_callbacks,
    "replaces the exception handler": _replace_the_exception_handler,
    "takes the loop away": _take_the_loop_away,
    "replaces the policy": _replace_the_policy,
    "patches sleep": _patch_sleep,
    "patches time": _patch_time,
}


@app.task
async def attack(act: str) -> str:
    with suppress(AttributeError):
        # Loops have different internals.
        ACTS[act]()
    await _sleep(0)
    return act


@app.task
async def innocent(name: str) -> str:
    """Ends when the flag is raised; awaits its own task meanwhile."""
    flags.raise_flag(f"{name}-started", str(os.getpid()))

    async def look() -> None:
        while not flags.is_raised(name):
            await _sleep(0.02)

    await asyncio.create_task(look())
    return name


@app.task
async def greet() -> str:
    await _sleep(0.01)
    return "hello"
