"""Values that belong to one process: a forked child makes its own."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_forks = 0
"""How many forks lie between the first process and this one."""


class OncePerProcess(Generic[T]):
    """A value that is made at first use, and made again in each forked child. Thread-safe.

    What the parent has made is neither closed nor used in the child.
    """

    __slots__ = ("__weakref__", "_lock", "_made", "_make")

    def __init__(self, make: Callable[[], T]) -> None:
        """
        Args:
            make: makes the value. If it raises, nothing is kept, and the next `get` calls it again.
        """
        self._make = make
        self._made: tuple[int, T] | None = None
        self._lock = threading.RLock()
        _all.add(self)

    def get(self) -> T:
        """Return the value of this process. The first call makes it; other threads wait for that."""
        made = self._made
        if made is not None and made[0] == _forks:
            return made[1]
        with self._lock:
            made = self._made
            if made is None or made[0] != _forks:
                made = self._made = (_forks, self._make())
        return made[1]

    def peek(self) -> T | None:
        """Return the value if this process has made it."""
        made = self._made
        return made[1] if made is not None and made[0] == _forks else None

    def put(self, value: T) -> None:
        """Replace the value of this process."""
        self._made = (_forks, value)

    def forget(self) -> None:
        """Make the value again at the next use."""
        self._made = None


class ProcessMark:
    """Remembers in which process it was made."""

    __slots__ = ("_forks",)

    def __init__(self) -> None:
        self._forks = _forks

    @property
    def is_here(self) -> bool:
        """Whether this is the process that made the mark, and not a forked copy of it."""
        return self._forks == _forks


_all: weakref.WeakSet[OncePerProcess[Any]] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    global _forks
    _forks += 1
    for one in list(_all):
        # Another thread of the parent may have held it. That thread does not exist here and never releases it.
        one._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    # Counting forks costs less than asking for the process id at each use, which is a system call.
    os.register_at_fork(after_in_child=_after_fork_in_child)
