"""The tasks of the conformance suite. Each check imports them again, with the store in the environment."""

from __future__ import annotations

import os
import time

from pynenc import Pynenc
from pynenc.exceptions import RetryError

app = Pynenc()

FOLDER_VARIABLE = "PYNENC_CONFORMANCE_DIR"


def _note(line: str) -> None:
    """Write one line to a file that the check reads, at once and in one piece, from any process."""
    descriptor = os.open(os.path.join(os.environ[FOLDER_VARIABLE], "notes"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


@app.task
def add(a: int, b: int) -> int:
    return a + b


@app.task
async def add_slowly(a: int, b: int) -> int:
    return a + b


@app.task
def note(text: str) -> str:
    _note(text)
    return text


@app.task
def fail(message: str) -> None:
    raise ValueError(message)


@app.task
def leave() -> None:
    raise SystemExit(3)


@app.task(max_retries=2)
def succeed_at(attempt: int) -> int:
    if succeed_at.invocation.num_retries < attempt:
        raise RetryError("not yet")
    return attempt


@app.task
def chain(depth: int) -> int:
    """Wait for a nested call, `depth` calls deep."""
    return 0 if depth == 0 else 1 + chain(depth - 1).result


@app.task
def family(count: int) -> int:
    return sum(add.parallelize([(n, 0) for n in range(count)]).results)


@app.task
def hold(seconds: float) -> str:
    """Says that it has begun, then takes its time."""
    _note("begun")
    time.sleep(seconds)
    return "done"


@app.task
def linger(seconds: float) -> None:
    """Report its start, then run for a time unless it is interrupted, which may happen at any moment."""
    _note("lingers")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)
