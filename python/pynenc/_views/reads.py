"""Methods of the orchestrator that read statuses and list invocations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pynenc._kernel.runtime import runtime_of
from pynenc._kernel.shapes import signature_of
from pynenc._views.view import View, every_id, id_of, texts
from pynenc.call import Call
from pynenc.invocation.dev_invocations import find
from pynenc.invocation.status import InvocationStatus

if TYPE_CHECKING:
    from pynenc._views.view import InvocationOrId
    from pynenc.task import Task

_QUEUED = [status.value for status in InvocationStatus if status.is_available_for_run()]


class Reads(View):
    """The part of `BaseOrchestrator` that reads statuses and lists invocations."""

    def get_invocation_status(self, invocation: InvocationOrId) -> InvocationStatus:
        """Return the status of an invocation.

        Args:
            invocation: an invocation or its id.
        Returns:
            The status now.
        Raises:
            InvocationNotFoundError: the store has no such invocation.
        """
        if self.app.conf.dev_mode_force_sync_tasks:
            return find(self.app, id_of(invocation)).status
        return InvocationStatus(self._store.status(id_of(invocation)))

    def filter_by_status(self, invocations: Iterable[InvocationOrId], statuses: Any) -> list[str]:
        """Select the invocations in some statuses. Reads the store once for each invocation.

        Args:
            invocations: invocations or their ids.
            statuses: one status, or several.
        Returns:
            Their ids, in the given order.
        Raises:
            InvocationNotFoundError: the store does not have one of them.
        """
        wanted = set(texts(statuses))
        return [id_ for id_ in map(id_of, invocations) if self._store.status(id_) in wanted]

    def filter_final(self, invocations: Iterable[InvocationOrId]) -> list[str]:
        """Select the finished invocations. Reads the store once.

        Args:
            invocations: invocations or their ids.
        Returns:
            Their ids, in the given order.
        Raises:
            InvocationNotFoundError: the store does not have one of them.
        """
        ids = [id_of(invocation) for invocation in invocations]
        return [id_ for id_, terminal in zip(ids, self._store.terminals(ids), strict=True) if terminal is not None]

    def count_invocations(self, task_id: str | None = None, statuses: Any = None) -> int:
        """Count invocations.

        Args:
            task_id: of this task; None counts all tasks.
            statuses: one status, or several; None counts all statuses.
        Returns:
            The number of invocations.
        """
        return self._store.count(task_id=None if task_id is None else str(task_id), statuses=texts(statuses))

    def get_existing_invocations(
        self, task: Task[Any, Any], key_serialized_arguments: dict[str, str] | None = None, statuses: Any = None
    ) -> Iterator[str]:
        """List the invocations of a task with some arguments. Decodes the arguments of each if any are given.

        Args:
            task: the task.
            key_serialized_arguments: the canonical text of some arguments by name, as `Call.serialized_arguments`; None
                selects all.
            statuses: one status, or several; None selects all.
        Yields:
            Ids, in order of submission.
        """
        for invocation_id in every_id(self._store, task_id=str(task.task_id), statuses=texts(statuses)):
            if not key_serialized_arguments:
                yield invocation_id
                continue
            codec = runtime_of(self.app).codec
            kwargs = codec.decode_arguments(task, self._store.get(invocation_id).payload, invocation_id)
            found = codec.argument_texts(task, signature_of(task).filled(kwargs))
            if all(found.get(name) == text for name, text in key_serialized_arguments.items()):
                yield invocation_id

    def get_task_invocation_ids(self, task_id: str) -> Iterator[str]:
        """List the invocations of a task.

        Args:
            task_id: the id of the task.
        Yields:
            Ids, in order of submission.
        """
        yield from every_id(self._store, task_id=str(task_id))

    def get_invocation_ids_paginated(
        self, task_id: str | None = None, statuses: Any = None, limit: int = 100, offset: int = 0
    ) -> list[str]:
        """List one page of invocations.

        Args:
            task_id: of this task; None lists all tasks.
            statuses: one status, or several; None lists all.
            limit: the most ids to return.
            offset: the number of ids to skip.
        Returns:
            Ids, in order of submission.
        Raises:
            ValueError: a negative limit or offset.
        """
        if limit < 0 or offset < 0:
            raise ValueError(f"limit and offset must be at least 0, got limit={limit!r} and offset={offset!r}")
        task = None if task_id is None else str(task_id)
        return self._store.list_ids(task_id=task, statuses=texts(statuses), limit=limit, offset=offset)

    def get_call_invocation_ids(self, call_id: Any) -> Iterator[str]:
        """List the invocations of one call: the same task with equal arguments.

        Args:
            call_id: a call, or its id.
        Yields:
            Ids, in order of submission.
        Raises:
            TaskError: this process does not know the task.
        """
        call_id = getattr(call_id, "call_id", call_id)
        task, wanted = self.app.get_task(call_id.task_id), str(call_id.args_id)
        for invocation_id in every_id(self._store, task_id=str(call_id.task_id)):
            record = self._store.get(invocation_id)
            # The store has it only where concurrency control needs it.
            if (record.args_id or Call(task, payload=record.payload).args_id) == wanted:
                yield invocation_id

    def get_blocking_invocations(self, max_num_invocations: int) -> Iterator[str]:
        """List the invocations in the queue that a waiting body has called. Claims prefer them anyway.

        Args:
            max_num_invocations: the most ids to list.
        Yields:
            Ids, oldest first.
        """
        children = (
            child
            for parent in every_id(self._store, statuses=["paused"])
            for child in self._store.list_ids(parent_id=parent, statuses=_QUEUED, limit=max_num_invocations)
        )
        # Ids are ordered by time, so the oldest are the smallest.
        yield from sorted(children)[:max_num_invocations]
