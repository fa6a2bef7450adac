"""Tasks whose arguments a hostile payload makes hard to decode."""

from __future__ import annotations

import re

from support.jobs.app import app


class Heavy:
    """Decoding it holds the GIL in C forever and reacts to no signal or exception."""

    def to_json(self) -> str:
        """Any text."""
        return "x"

    @classmethod
    def from_json(cls, data: str) -> Heavy:
        """Never returns."""
        re.fullmatch("(a+)+b", "a" * 100)
        raise AssertionError(data)


@app.task
def take_heavy(value: Heavy) -> None:
    """Never begins."""


@app.task
def take_numbers(value: set[int]) -> int:
    """How many there are."""
    return len(value)
