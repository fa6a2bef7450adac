"""Submit no-op calls, write each acknowledged id to the ledger, then read every result.

Usage: python -m support.programs.submitter <label> <count>
"""

from __future__ import annotations

import sys

from support.jobs import basics
from support.ledger import Ledger

BATCH = 250
SINGLES = 0.1
"""The share of calls that are submitted one by one; the rest go in batches."""


def main(label: str, count: int) -> None:
    ledger = Ledger.of_environment()
    invocations = []
    singles = int(count * SINGLES)
    for number in range(singles):
        invocations.append(basics.note(f"{label}-{number}"))
        ledger.write(kind="acked", id=invocations[-1].invocation_id)
    for first in range(singles, count, BATCH):
        group = basics.note.parallelize([(f"{label}-{n}",) for n in range(first, min(first + BATCH, count))])
        for invocation in group:
            ledger.write(kind="acked", id=invocation.invocation_id)
            invocations.append(invocation)
    for number, invocation in enumerate(invocations):
        value = invocation.result
        assert value == f"{label}-{number}", f"{value!r} is not the result of call {number}"
        ledger.write(kind="read", id=invocation.invocation_id, value=value)
    print("all read")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
