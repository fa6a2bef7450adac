"""What the engine knows of itself: its version, and the state machine of invocations."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple


class StatusRow(NamedTuple):
    """The rules of one status."""

    name: str
    is_final: bool
    is_available: bool
    """Whether a runner may claim an invocation in this status."""
    successors: tuple[str, ...]


@cache
def status_rows() -> dict[str, StatusRow]:
    """Return the rules of every status, by its name."""
    # At first use and not at import: the extension is loaded when something needs it.
    from pynenc import _core

    return {
        name: StatusRow(name, is_final, is_available, tuple(successors))
        for name, is_final, is_available, successors in _core.status_table()
    }


def version() -> str:
    """Return the version of this distribution."""
    from pynenc import _core

    return _core.__version__
