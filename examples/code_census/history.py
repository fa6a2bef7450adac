"""Read the places and times of runs from the store, for the timeline of the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from charts import Bar, Segment

from pynenc import Pynenc
from pynenc.invocation import InvocationStatus
from pynenc.state_backend.base_state_backend import InvocationHistory


@dataclass(frozen=True)
class Attempt:
    """One run of a body."""

    invocation_id: str
    task: str
    runner: str
    slot: int
    marks: tuple[tuple[datetime, bool], ...]
    """When it began to run (True) or to wait (False), in order."""
    end: datetime
    status: str


def read(app: Pynenc, root_id: str, tasks: Sequence[str]) -> tuple[int, list[Attempt]]:
    """Return the number of invocations in the tree of `root_id`, and each run of one of their bodies.

    `tasks` are the ids of the tasks in it, from the root down: those of a level are called by those of the one above.
    Other invocations in the store are omitted.
    """
    found: list[Attempt] = []
    parents: set[str] = set()
    number = 0
    for level, task in enumerate(tasks):
        ids = set()
        for invocation_id in [root_id] if level == 0 else app.orchestrator.get_task_invocation_ids(task):
            history = app.state_backend.get_history(invocation_id)
            if level == 0 or history[0].registered_by_inv_id in parents:
                ids.add(invocation_id)
                found += attempts(invocation_id, task, history)
        number += len(ids)
        parents = ids
    return number, found


def attempts(invocation_id: str, task: str, history: Sequence[InvocationHistory]) -> list[Attempt]:
    """Each time that its body ran, from its status changes."""
    found: list[Attempt] = []
    marks: list[tuple[datetime, bool]] = []
    for entry in history:
        if entry.status in (InvocationStatus.RUNNING, InvocationStatus.PAUSED):
            marks.append((entry.timestamp, entry.status is InvocationStatus.RUNNING))
            continue
        if entry.started is not None:
            # The body's own clock; the status was written a little earlier.
            marks = [(entry.started, True), *(mark for mark in marks[1:] if mark[0] > entry.started)]
        if marks:
            found.append(
                Attempt(
                    invocation_id, task, entry.runner, entry.slot, tuple(marks), entry.timestamp, entry.status.value
                )
            )
        marks = []
    return found


def bars(found: Sequence[Attempt]) -> list[Bar]:
    """The same, with seconds since the first of them began, and rows numbered by runner and slot."""
    if not found:
        return []
    begin = min(attempt.marks[0][0] for attempt in found)
    runners: dict[str, int] = {}
    for attempt in sorted(found, key=lambda attempt: attempt.marks[0][0]):
        runners.setdefault(attempt.runner, len(runners) + 1)
    return [_bar(attempt, begin, runners[attempt.runner]) for attempt in found]


def _bar(attempt: Attempt, begin: datetime, runner: int) -> Bar:
    ends = [at for at, _ in attempt.marks[1:]] + [attempt.end]
    segments = tuple(
        Segment((at - begin).total_seconds(), max((end - begin).total_seconds(), (at - begin).total_seconds()), running)
        for (at, running), end in zip(attempt.marks, ends, strict=True)
    )
    ran = sum(segment.end - segment.start for segment in segments if segment.running)
    waited = sum(segment.end - segment.start for segment in segments if not segment.running)
    name = attempt.task.rpartition(".")[2]
    title = (
        f"{name} {attempt.invocation_id}: {attempt.status}, "
        f"from {segments[0].start:.3f} s to {segments[-1].end:.3f} s, "
        f"ran {ran * 1000:.1f} ms, waited {waited * 1000:.1f} ms, in slot {attempt.slot} of {attempt.runner}"
    )
    return Bar(name, f"runner {runner} · slot {attempt.slot}", segments, title)
