"""What a process needs before it opens its first store: guarded forks, and open standard descriptors."""

from __future__ import annotations

import os
import sys

_forks_are_guarded = False


def prepare_process() -> None:
    """Make this process fit to open a store. Call it before each open: a fork or a `close` may have come since."""
    guard_forks()
    open_standard_descriptors()


def guard_forks() -> None:
    """From the first open store on: no fork while a thread is inside SQLite, whose locks the child would inherit."""
    global _forks_are_guarded
    if not _forks_are_guarded and hasattr(os, "register_at_fork"):
        from pynenc import _core

        os.register_at_fork(
            before=_core.before_fork,
            after_in_parent=_core.after_fork_in_parent,
            after_in_child=_core.after_fork_in_child,
        )
    _forks_are_guarded = True


def open_standard_descriptors() -> None:
    """Put the null device on descriptors 0 to 2 where they are closed.

    The next socket or database would get such a number, and what a child or a C library prints would go there. SQLite
    puts the null device there itself, but for reading only, so that a `print` of a child process fails with EBADF.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
            continue
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
        if null == descriptor:
            os.set_inheritable(descriptor, True)
        else:
            os.dup2(null, descriptor)
            os.close(null)


def replace_closed_streams() -> None:
    """Give this program streams to the null device where its standard output or error was closed at the start.

    With `sys.stderr` None, `print(…, file=sys.stderr)` would write to the standard output.
    """
    open_standard_descriptors()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Open until the process ends, as the standard streams are.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
