"""Keep runners at work: submit as fast as they run until the flag is raised, then read every result.

Usage: python -m support.programs.feeder <label> <how many to submit at least> <seconds that each body takes> [flag]
"""

from __future__ import annotations

import sys

from support import flags
from support.jobs import chaos
from support.ledger import Ledger, Tally
from support.waiting import wait_until

BATCH = 50
AHEAD = 300
"""So many more are submitted than have begun."""


def main(label: str, least: int, seconds: float, stop: str = "stop") -> None:
    ledger = Ledger.of_environment()
    runs = Tally(ledger, "run")
    before = runs.count()
    invocations = []
    while len(invocations) < least or not flags.is_raised(stop):
        first = len(invocations)
        wait_until(lambda first=first: first - (runs.count() - before) < AHEAD, "work is done", 60)
        tags = [f"{label}-{number}" for number in range(first, first + BATCH)]
        for invocation in chaos.toil.parallelize([(tag, seconds) for tag in tags]):
            ledger.write(kind="acked", id=invocation.invocation_id)
            invocations.append(invocation)
    for number, invocation in enumerate(invocations):
        value = invocation.get_result(timeout=60)
        assert value == f"{label}-{number}", f"{value!r} is not the result of call {number}"
        ledger.write(kind="read", id=invocation.invocation_id, value=value)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:])
