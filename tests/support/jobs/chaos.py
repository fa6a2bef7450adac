"""Bodies that report where they run, for faults of the store and of workers."""

from __future__ import annotations

import os
import time

from support import flags
from support.jobs.app import app
from support.jobs.basics import until
from support.ledger import Ledger

from pynenc.exceptions import InvocationNotFoundError


@app.task
def held(tag: str, gate: str) -> int:
    """Record the run in the ledger, wait at the gate, and return this process's id."""
    Ledger.of_environment().write(kind="run", id=held.invocation.invocation_id, tag=tag, pid=os.getpid())
    flags.await_flag(gate)
    return os.getpid()


@app.task
def wait_for_a_child(gate: str) -> str:
    """Submit a child when the gate opens, and wait for it: it ends when the flag `<gate>-child` is raised."""
    flags.raise_flag(f"{gate}-runs")
    flags.await_flag(gate)
    child = until(f"{gate}-child")
    flags.await_flag(f"{gate}-child-started")
    flags.raise_flag(f"{gate}-waits")
    try:
        return str(child.result)
    except InvocationNotFoundError:
        return "forgotten"


@app.task
def toil(tag: str, seconds: float) -> str:
    """Write the execution to the ledger, and take that long."""
    Ledger.of_environment().write(kind="run", id=toil.invocation.invocation_id, tag=tag, pid=os.getpid())
    # This pause defines the load; it waits for no event.
    time.sleep(seconds)
    return tag
