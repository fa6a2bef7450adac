"""Submit calls and read results until there are enough, and record every answer of the store in the journal.

Usage: python -m support.programs.power_load <label> <count>
"""

from __future__ import annotations

import random
import sys
from typing import Any

from support.jobs import app, basics, faults
from support.power import acknowledge, digest

BATCH = 20
AHEAD = 60
"""So many are submitted before the oldest is read."""


def main(label: str, count: int) -> None:
    chance = random.Random(label)
    unread: list[Any] = []
    made = 0
    while made < count or unread:
        if made < count and len(unread) < AHEAD:
            made += _submit(label, made, unread, chance)
            continue
        invocation = unread.pop(0)
        # With or without a failure: only the outcome counts.
        _wait(invocation)
        [terminal] = app._runtime.store.terminals([invocation.invocation_id])
        assert terminal is not None
        acknowledge(outcome=invocation.invocation_id, status=terminal[1], digest=digest(terminal[2]))


def _submit(label: str, made: int, unread: list[Any], chance: random.Random) -> int:
    """Submit one call or a batch, small or large; return how many."""
    filler = "x" * chance.choice((0, 0, 100, 3_000, 20_000))
    if chance.random() < 0.3:
        group = list(basics.echo.parallelize([(f"{label}-{made + n}-{filler}",) for n in range(BATCH)]))
    elif chance.random() < 0.1:
        group = [faults.raise_value_error(f"{label}-{made}")]
    else:
        group = [basics.echo(f"{label}-{made}-{filler}")]
    acknowledge(submitted=[invocation.invocation_id for invocation in group])
    unread.extend(group)
    return len(group)


def _wait(invocation: Any) -> None:
    try:
        invocation.get_result(timeout=120)
    except ValueError:
        return


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
