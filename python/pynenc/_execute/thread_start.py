"""Keeps an exception for a body from the threads that it starts."""

from __future__ import annotations

import os
import threading

thread_start = threading.Lock()
"""Held while a body's thread starts another thread, and while an exception is sent to a body.

CPython up to 3.12 gives a new thread the identity of its starter until the new thread runs, and then sends an exception
for the starter to the new thread.
"""

if hasattr(os, "register_at_fork"):
    # Another thread may hold it while a body forks. Each kind of lock has this method.
    os.register_at_fork(after_in_child=getattr(thread_start, "_at_fork_reinit"))  # noqa: B009
