"""Gives threads that run bodies the stack of the main thread, so that deep recursion in C ends nowhere earlier."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

_MOST_BYTES = 64 * 1024 * 1024
"""Only what a thread really uses takes memory, but address space may be limited, too."""

_UNLIMITED_BYTES = 16 * 1024 * 1024
"""Where the main thread has no limit."""

_PAGE_BYTES = 64 * 1024
"""A multiple of the page size of every system."""


def main_thread_stack_bytes() -> int:
    """The limit of the main thread's stack, at most `_MOST_BYTES`; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0
    limit, _ = resource.getrlimit(resource.RLIMIT_STACK)
    if limit == resource.RLIM_INFINITY:
        return _UNLIMITED_BYTES
    limit = min(limit, _MOST_BYTES)
    return limit - limit % _PAGE_BYTES


def use_stack_of_main_thread() -> None:
    """Let every thread that this process starts from now on have it."""
    with contextlib.suppress(ValueError, RuntimeError):
        threading.stack_size(main_thread_stack_bytes())


@contextlib.contextmanager
def stack_of_main_thread() -> Iterator[None]:
    """Let the threads that are started within this block have it, in a process that is not ours alone."""
    before: int | None = None
    with contextlib.suppress(ValueError, RuntimeError):
        before = threading.stack_size(main_thread_stack_bytes())
    try:
        yield
    finally:
        if before is not None:
            threading.stack_size(before)
