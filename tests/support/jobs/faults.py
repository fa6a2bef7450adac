"""Bodies that misbehave."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

from support import flags
from support.jobs.app import app
from support.ledger import Ledger


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class UnreducibleError(Exception):
    def __reduce__(self) -> NoReturn:
        raise RuntimeError("no pickling")


class PickyError(Exception):
    """An exception that cannot be created again from its `args`."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(f"{code}: {reason}")


class OddBaseException(BaseException):
    """Not an `Exception`."""


class Opaque:
    """Has no text form."""


class _LyingArgs(Exception):
    @property
    def args(self) -> NoReturn:  # type: ignore[override]
        raise RuntimeError("no args")


@app.task
def raise_stop_iteration() -> int:
    return next(iter(()))


@app.task
def leave_a_thread_behind(name: str) -> None:
    """A pool whose worker does not end; the body waits for it."""
    pool = ThreadPoolExecutor(1)
    started = pool.submit(flags.raise_flag, name)
    started.result()
    pool.submit(threading.Event().wait).result()


@app.task
def raise_value_error(message: str) -> None:
    raise ValueError(message)


@app.task
def raise_joined(parts: list[str]) -> None:
    raise ValueError("".join(parts))


@app.task
def raise_with_cause() -> None:
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise ValueError("the effect") from error


@app.task
def raise_unprintable() -> None:
    raise UnprintableError("text")


@app.task
def raise_unreducible() -> None:
    raise UnreducibleError("text")


@app.task
def raise_picky() -> None:
    raise PickyError(7, reason="because")


@app.task
def raise_lying_args() -> None:
    raise _LyingArgs("text")


@app.task
def raise_hidden() -> None:
    from support.jobs.hidden import HiddenError

    raise HiddenError("nobody knows me")


@app.task
def raise_with_opaque_argument() -> None:
    raise ValueError("text", Opaque())


@app.task
def exit_with(code: int) -> None:
    sys.exit(code)


@app.task
def raise_keyboard_interrupt() -> None:
    raise KeyboardInterrupt("typed by the body")


@app.task
def raise_generator_exit() -> None:
    raise GeneratorExit


@app.task
def raise_base_exception() -> None:
    raise OddBaseException("not an Exception")


@app.task
async def exit_in_coroutine() -> None:
    sys.exit(5)


@app.task
def recurse_for_ever() -> None:
    raise_recursion()


@app.task
def recurse_in_c(depth: int) -> str:
    """Nested so deep that the default stack of a thread is too small where that of the main thread has no limit."""
    return _text_of_nested(depth)


@app.task
async def recurse_in_c_in_a_coroutine(depth: int) -> str:
    return _text_of_nested(depth)


def _text_of_nested(depth: int) -> str:
    sys.setrecursionlimit(10 * depth)
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    try:
        return repr(nested)[:3]
    except RecursionError:
        # Newer interpreters do this, whatever the stack.
        return "[[["


def raise_recursion() -> None:
    raise_recursion()


@app.task
def return_opaque() -> Any:
    return Opaque()


@app.task
def return_megabytes(count: int) -> str:
    return "x" * (count * 1024 * 1024)


@app.task
def return_text_as_int() -> int:
    return "no number"  # type: ignore[return-value]


@app.task
def take_int(number: int) -> int:
    Ledger.of_environment().write(kind="body", number=repr(number))
    return number


@app.task
def take_anything(first: Any, second: Any = None) -> Any:
    return first


@app.task
def kill_own_process() -> None:
    """Take the whole runner down with it."""
    os.kill(os.getpid(), signal.SIGKILL)


@app.task
def segfault() -> None:
    ctypes.string_at(0)


@app.task
def abort() -> None:
    os.abort()


@app.task
def leave() -> None:
    os._exit(7)


@app.task
def hold_the_gil(seconds: float) -> int:
    """In C, so that no other thread of Python runs meanwhile."""
    flags.raise_flag("gil-held", str(os.getpid()))
    ctypes.PyDLL(None).poll(None, 0, int(seconds * 1000))
    return os.getpid()


@app.task
def platform_means() -> list[bool]:
    """Whether there are: a signal at the death of the parent, pidfds, and a flag for received descriptors."""
    import socket

    from pynenc.runner._workers import platform

    return [platform._set_death_signal(), hasattr(os, "pidfd_open"), hasattr(socket, "MSG_CMSG_CLOEXEC")]


@app.task
def take_numbers(numbers: dict[int, int]) -> int:
    return len(numbers)
