"""What a process that was forked off a runner's process is: a client of its own, which settles nothing.

A body may fork, directly or through `multiprocessing`. The copy has the invocation and the runner of its parent in its
memory, but neither the claim nor a slot: those are the parent's. So in the copy every wait is that of a client, on a
store handle of its own, and a copy that returns from the body ends there.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol

from pynenc import context


class Copied(Protocol):
    """The session of a runner, which a fork copies."""

    def become_copy(self) -> None:
        """In the copy: forget what is the parent's."""


_running: weakref.WeakSet[Copied] = weakref.WeakSet()
_registered = False


def watch(session: Copied) -> None:
    """This session has an engine from now on, which copies of this process must not use."""
    global _registered
    if not _registered and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_become_client)
        _registered = True
    _running.add(session)


def forget(session: Copied) -> None:
    """This session has no engine any more."""
    _running.discard(session)


def _become_client() -> None:
    # Whatever another thread was amid at the fork stays as it was for ever: no lock of the parent may be waited for.
    sessions = list(_running)
    _running.clear()
    if not sessions:
        return
    invocation = context.current_invocation.get()
    if invocation is not None:
        invocation.leave_to_parent()
    for session in sessions:
        session.become_copy()


def end_copy() -> None:
    """End this process, which has come to the end of a body that its parent runs."""
    os._exit(0)
