"""Submit, record acknowledgements, read the results, and repeat until the flag `stop` is raised.

A failed call is an event of the ledger and never ends the loop: its submissions are then unknown, and reads are
repeated.

Usage: python -m support.programs.closed_loop <label> [<seconds between two batches>]
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from support import flags
from support.jobs import basics
from support.ledger import Ledger

from pynenc.exceptions import InvocationNotFoundError, StateBackendError

T = TypeVar("T")

BATCH = 25


def main(label: str, pause_sec: float = 0.0) -> None:
    ledger = Ledger.of_environment()
    for number in itertools.count():
        if flags.is_raised("stop"):
            return
        # This pause defines the load; it waits for no event.
        time.sleep(pause_sec)
        # Mostly groups, now and then single calls: other paths through client and store.
        tags = [f"{label}-{number}-{n}" for n in range(1 if number % 4 == 3 else BATCH)]
        try:
            if len(tags) == 1:
                invocations = [basics.note(tags[0])]
            else:
                invocations = list(basics.note.parallelize([(tag,) for tag in tags]))
        except StateBackendError as error:
            ledger.write(kind="surfaced", error=str(error)[:500])
            for tag in tags:
                ledger.write(kind="unknown", tag=tag)
            continue
        for invocation in invocations:
            ledger.write(kind="acked", id=invocation.invocation_id, durable=invocation is invocations[-1])
        for invocation, tag in zip(invocations, tags, strict=True):
            try:
                value = _until_it_works(lambda invocation=invocation: invocation.get_result(timeout=120), ledger)
            except InvocationNotFoundError:
                # The judge counts it as lost.
                ledger.write(kind="forgotten", id=invocation.invocation_id)
                continue
            assert value == tag, f"{value!r} is not the result of {tag}"
            ledger.write(kind="read", id=invocation.invocation_id, value=value)


def _until_it_works(read: Callable[[], T], ledger: Ledger) -> T:
    while True:
        try:
            return read()
        except InvocationNotFoundError:
            raise
        except StateBackendError as error:
            ledger.write(kind="surfaced", error=str(error)[:500])


if __name__ == "__main__":
    main(sys.argv[1], *map(float, sys.argv[2:]))
