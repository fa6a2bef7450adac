"""Bodies that say where they run, for faults of the store and of workers."""

from __future__ import annotations

import os
import time

from support import flags
from support.jobs.app import app
from support.ledger import Ledger


@app.task
def held(tag: str, gate: str) -> int:
    """Write the execution to the ledger, wait at the gate, and say which process this was."""
    Ledger.of_environment().write(kind="run", id=held.invocation.invocation_id, tag=tag, pid=os.getpid())
    flags.await_flag(gate)
    return os.getpid()


@app.task
def toil(tag: str, seconds: float) -> str:
    """Write the execution to the ledger, and take that long."""
    Ledger.of_environment().write(kind="run", id=toil.invocation.invocation_id, tag=tag, pid=os.getpid())
    # What the load is, not what it waits for.
    time.sleep(seconds)
    return tag
