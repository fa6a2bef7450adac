"""The reads of views in dev mode: the invocations of this process instead of those of a store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pynenc._kernel.runtime import runtime_of
from pynenc.exceptions import InvocationNotFoundError
from pynenc.invocation.conc_invocation import ConcurrentInvocation
from pynenc.invocation.dev_invocations import find, forget_all, made_by

if TYPE_CHECKING:
    from pynenc.app import Pynenc

    Invocation = ConcurrentInvocation[Any, Any]


class DevRecord(NamedTuple):
    """The record of one invocation, with the fields that views read."""

    invocation_id: str
    task_id: str
    queue: str
    payload: bytes
    args_id: str
    parent_id: str | None
    status: str
    retries: int


class DevHistoryEntry(NamedTuple):
    """One status change."""

    status: str
    at: float
    runner: str = ""
    slot: int = 0
    started: float = 0.0
    note: str = ""
    times: int = 1


class DevStore:
    """The reading verbs of a store, answered from memory; all other verbs are those of the app's store."""

    def __init__(self, app: Pynenc) -> None:
        self._app = app

    def __getattr__(self, verb: str) -> Any:
        return getattr(runtime_of(self._app).store, verb)

    def status(self, invocation_id: str) -> str:
        """Return the status. Raises `InvocationNotFoundError`."""
        return find(self._app, invocation_id).status.value

    def get(self, invocation_id: str) -> DevRecord:
        """Return the record. Raises `InvocationNotFoundError`."""
        invocation = find(self._app, invocation_id)
        parent = invocation.parent_invocation_id
        task = invocation.task
        return DevRecord(
            str(invocation.invocation_id),
            str(task.task_id),
            str(task.conf.queue),
            invocation.payload(),
            str(invocation.call.args_id),
            None if parent is None else str(parent),
            invocation.status.value,
            invocation.num_retries,
        )

    def history(self, invocation_id: str) -> list[DevHistoryEntry]:
        """Return each status change, oldest first. Raises `InvocationNotFoundError`."""
        entries: list[DevHistoryEntry] = []
        started = 0.0
        for status, at in find(self._app, invocation_id).changes():
            started = at if status.value == "running" else started
            entries.append(DevHistoryEntry(status.value, at, started=started if status.is_final() else 0.0))
        return entries

    def terminals(self, invocation_ids: Sequence[str]) -> list[tuple[str, str, bytes | None, str | None] | None]:
        """Return outcomes in the order of the ids, None where unfinished. Raises `InvocationNotFoundError`."""
        found = [find(self._app, one) for one in invocation_ids]
        return [
            (str(one.invocation_id), one.status.value, one.outcome, None) if one.status.is_final() else None
            for one in found
        ]

    def list_ids(self, *, limit: int = 100, offset: int = 0, **wanted: Any) -> list[str]:
        """Return the ids of the matching invocations, in the order of the calls."""
        return [str(one.invocation_id) for one in self._matching(**wanted)][offset : offset + limit]

    def count(self, **wanted: Any) -> int:
        """Return how many match."""
        return sum(1 for _ in self._matching(**wanted))

    def cancel(self, invocation_id: str, *, claimed: bool = True) -> str:
        """Cancel an invocation that has not begun: `done`; otherwise return `claimed` or `final`, like a store."""
        try:
            invocation = find(self._app, invocation_id)
        except InvocationNotFoundError:
            return runtime_of(self._app).store.cancel(invocation_id, claimed=claimed)
        if invocation.status.is_final():
            return "final"
        if invocation.status.value == "running" and not claimed:
            return "claimed"
        return "done" if invocation.cancel() else "final"

    def purge(self) -> int:
        """Forget everything, also in the store of the app."""
        return forget_all(self._app) + runtime_of(self._app).store.purge()

    def _matching(
        self,
        *,
        task_id: str | None = None,
        statuses: Sequence[str] = (),
        queues: Sequence[str] = (),
        parent_id: str | None = None,
    ) -> Iterator[Invocation]:
        for one in made_by(self._app):
            if (
                (task_id is None or str(one.task.task_id) == task_id)
                and (not statuses or one.status.value in statuses)
                and (not queues or str(one.task.conf.queue) in queues)
                and (parent_id is None or str(one.parent_invocation_id) == parent_id)
            ):
                yield one
