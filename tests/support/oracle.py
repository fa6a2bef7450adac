"""The verdict on a run: the ledger compared with the store."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from support.ledger import Ledger


@dataclass(frozen=True)
class Verdict:
    """All of these are 0 in a run without faults. `duplicates` may be up to the number of revoked claims."""

    acknowledged: int
    lost: int
    """Acknowledged to a client, never finished."""
    ghosts: int
    """Finished in the store, never submitted by anybody."""
    double_results: int
    """Several final statuses, or a value that differs between two reads."""
    duplicates: int
    """Runs of a body beyond the first."""
    unfinished: int


def judge(app: Any, ledger: Ledger) -> Verdict:
    """Compare the ledger's `acked`, `run` and `read` events with every record in the store.

    A call that failed is `unknown`, with its tag: it may have been accepted, but not twice.
    """
    events = ledger.events()
    acked = {event["id"] for event in events if event["kind"] == "acked"}
    unknown: dict[str, set[str]] = {event["tag"]: set() for event in events if event["kind"] == "unknown"}
    for event in events:
        if event["kind"] == "run" and event["tag"] in unknown:
            unknown[event["tag"]].add(event["id"])
    submitted = acked.union(*unknown.values())
    runs = Counter(event["id"] for event in events if event["kind"] == "run")
    reads: dict[str, set[str]] = {}
    for event in events:
        if event["kind"] == "read":
            reads.setdefault(event["id"], set()).add(event["value"])
    final = final_ids(app)
    double = sum(1 for values in reads.values() if len(values) > 1)
    double += sum(1 for ids in unknown.values() if len(ids) > 1)
    for invocation_id in final:
        statuses = [entry.status for entry in app.state_backend.get_history(invocation_id)]
        double += sum(1 for status in statuses if status.is_final()) != 1
    stored = app.orchestrator.count_invocations()
    if stored != len(final):
        _explain(app, stored, final, acked)
    return Verdict(
        acknowledged=len(acked),
        lost=len(acked - final),
        ghosts=len(final - submitted),
        double_results=double,
        duplicates=sum(count - 1 for count in runs.values()),
        unfinished=stored - len(final),
    )


def final_ids(app: Any) -> set[str]:
    """Every finished invocation in the store."""
    from pynenc.invocation import InvocationStatus

    return set(_listed(app, statuses=list(InvocationStatus.get_final_statuses())))


def _listed(app: Any, **which: Any) -> list[str]:
    """Ids as the store lists them, page by page."""
    found: list[str] = []
    page = 1000
    while True:
        ids = app.orchestrator.get_invocation_ids_paginated(**which, limit=page, offset=len(found))
        found.extend(str(invocation_id) for invocation_id in ids)
        if len(ids) < page:
            return found


def _explain(app: Any, stored: int, final: set[str], acked: set[str]) -> None:
    """Print invocations that the store counts but does not list as finished: open, listed twice, or missing."""
    listed = Counter(_listed(app))
    print(f"{stored} stored, {len(final)} finished, {listed.total()} listed, {len(listed)} of them distinct")
    print("listed twice:", [(one, one in acked) for one, times in listed.items() if times > 1][:50])
    for one in [one for one in listed if one not in final][:50]:
        trail = [str(entry.status) for entry in app.state_backend.get_history(one)]
        print(f"open: {one}, {'acknowledged' if one in acked else 'never acknowledged'}, {trail}")
