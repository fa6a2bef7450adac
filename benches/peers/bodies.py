"""The bodies that every system runs. They import nothing but the standard library."""

from __future__ import annotations

import os
import time
from pathlib import Path

SPIN_STEPS = 400_000
"""Some 20 ms of pure Python."""


def echo(value: int) -> int:
    """Do nothing; the number that comes back shows that this very task ran."""
    return value


def stamp(path: str) -> int:
    """Write down the time."""
    with Path(path).open("a") as file:
        file.write(f"{time.time()}\n")
    return 1


def nap(seconds: float) -> int:
    """Wait as a network call does."""
    time.sleep(seconds)
    return 1


def spin(steps: int) -> int:
    """Keep the interpreter busy."""
    total = 0
    for step in range(steps):
        total += step & 3
    return total


def size(data: str) -> int:
    """How much has arrived."""
    return len(data)


def hold(path: str) -> int:
    """The first run records its process and hangs; the next one returns at once."""
    file = Path(path)
    if file.exists():
        return 2
    file.write_text(str(os.getpid()))
    time.sleep(60.0)
    return 1
