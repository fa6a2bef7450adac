"""Statuses, and what may run next: a view over the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pynenc import _core
from pynenc._dev_mode import find
from pynenc._execute.outcome import Outcome, begin_claim, describe, runner_of, settle_claim, unknown_task
from pynenc.call import Call
from pynenc.exceptions import InvocationStatusOwnershipError, InvocationStatusTransitionError
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.invocation.status import InvocationStatus
from pynenc.orchestrator._claiming import claim_or_wait
from pynenc.orchestrator.controls import BaseBlockingControl, BaseCycleControl
from pynenc.orchestrator.upkeep import Upkeep
from pynenc.submit import submit_many
from pynenc.util.views import every_id, id_of, owned_claim, texts

__all__ = ["BaseBlockingControl", "BaseCycleControl", "BaseOrchestrator"]

_STATUS = {_core.SUCCESS: "success", _core.FAILURE: "failed", _core.RETRY: "retry", _core.RELEASE: "rerouted"}
"""Where each outcome leaves an invocation."""

if TYPE_CHECKING:
    from pynenc.task import Task
    from pynenc.util.views import InvocationOrId

_QUEUED = [status.value for status in InvocationStatus if status.is_available_for_run()]


class BaseOrchestrator(Upkeep):
    """Reads statuses and hands out work. Methods take an invocation or its id, and return ids."""

    # -- work for a runner of your own -----------------------------------------------------------------------------

    def get_invocations_to_run(
        self, max_num_invocations: int, runner_ctx: Any = None, *, wait: float = 0.0
    ) -> Iterator[DistributedInvocation[Any, Any]]:
        """Claim up to so many due invocations, those first that others wait for. Run each with `invocation.run(args)`.

        Those not taken from the iterator go back to the queue when it is closed. In a process with a running runner the
        leases are renewed until the invocations are settled.

        Args:
            max_num_invocations: how many at most: the free slots. With none it yields nothing at once.
            runner_ctx: whose claims they are, in a process without a running runner.
            wait: how many seconds the first step blocks if nothing is due: until something is, or the runner stops. The
                runner is told of new work by the store; without a running runner the store is asked every 50 ms.
        """
        waiting = claim_or_wait(self.app, max_num_invocations, wait, runner_ctx)
        waiting.reverse()
        try:
            while waiting:
                claim = waiting.pop()
                try:
                    task = self.app.get_task(claim.task_id)
                except Exception as error:
                    outcome = unknown_task(self.app, str(runner_of(self.app).runner_id), claim, error)
                    settle_claim(self.app, claim, outcome, runner_of(self.app)._engine)
                    continue
                yield DistributedInvocation(
                    self.app, claim.invocation_id, task=task, claim=claim, parent_id=claim.parent_id
                )
        finally:
            for claim in reversed(waiting):
                # Lost claims are no matter here, so the answer is not looked at.
                settle_claim(
                    self.app, claim, Outcome(_core.RELEASE, note="claimed but not taken"), runner_of(self.app)._engine
                )

    def set_invocation_status(self, invocation: InvocationOrId, status: Any, runner_ctx: Any = None) -> None:
        """Move an invocation that the caller owns: `running`, `paused`, `rerouted`, `killed`, `retry`; or `cancelled`.

        Raises:
            InvocationStatusOwnershipError: the caller does not own it (any more).
            InvocationStatusTransitionError: this status cannot be set by itself: it comes with a result or exception,
                or the engine sets it.
        """
        wanted = InvocationStatus(texts(status)[0])
        if wanted is InvocationStatus.CANCELLED:
            self._cancel(invocation)
            return
        claim = owned_claim(invocation, f"set the status {wanted.value} of")
        owner = (claim.invocation_id, claim.fence)
        if wanted is InvocationStatus.RUNNING:
            if not (self._store.status(claim.invocation_id) == "paused" and self._store.resume(*owner)):
                begin_claim(self.app, claim, runner_of(self.app)._engine)
        elif wanted is InvocationStatus.PAUSED:
            self._store.pause(*owner, [])
        elif wanted in (InvocationStatus.REROUTED, InvocationStatus.KILLED):
            self._settle(claim, Outcome(_core.RELEASE, note=f"set to {wanted.value}"))
        elif wanted is InvocationStatus.RETRY:
            self._settle(claim, Outcome(_core.RETRY, note="set to retry"))
        else:
            raise InvocationStatusTransitionError(
                f"invocation {claim.invocation_id} cannot be set to {wanted.value}: outcomes are set with "
                "set_invocation_result or set_invocation_exception, and the engine sets the rest"
            )

    def set_invocation_result(self, invocation: InvocationOrId, result: Any, runner_ctx: Any = None) -> None:
        """End an invocation that the caller runs with this value. Raises `SerializationError`, `…OwnershipError`."""
        claim = owned_claim(invocation, "set the result of")
        payload = self.app._codec.encode_result(self.app.get_task(claim.task_id), result, claim.invocation_id)
        self._settle(claim, Outcome(_core.SUCCESS, payload))

    def set_invocation_exception(
        self, invocation: InvocationOrId, exception: BaseException, runner_ctx: Any = None
    ) -> None:
        """End an invocation that the caller owns as failed."""
        claim = owned_claim(invocation, "set the exception of")
        payload = self.app._codec.encode_exception(self.app.get_task(claim.task_id), exception, claim.invocation_id)
        self._settle(claim, Outcome(_core.FAILURE, payload))

    def set_invocation_retry(
        self, invocation: InvocationOrId, exception: BaseException, runner_ctx: Any = None
    ) -> None:
        """Queue an invocation that the caller runs again, as after a retriable exception."""
        self._settle(
            owned_claim(invocation, "retry"),
            Outcome(_core.RETRY, note=self.app._codec.note(exception, describe(exception))),
        )

    def reroute_invocations(self, invocations: Iterable[InvocationOrId], runner_ctx: Any = None) -> None:
        """Hand invocations that the caller owns back to the queue; those of others raise `…OwnershipError`."""
        for invocation in invocations:
            self.set_invocation_status(invocation, InvocationStatus.REROUTED, runner_ctx)

    def waiting_for_results(self, caller: InvocationOrId | None, targets: Iterable[InvocationOrId]) -> None:
        """Record that the body of `caller`, which this process runs, waits for `targets`: they go first from now on.

        The caller is `paused` then, until its status is set to running or it ends. Without a caller nothing happens.
        Raises `CycleDetectedError`.
        """
        if caller is not None:
            claim = owned_claim(caller, "pause")
            self._store.pause(claim.invocation_id, claim.fence, [id_of(target) for target in targets])

    # -- calls -----------------------------------------------------------------------------------------------------

    def route_call(self, call: Call[Any, Any]) -> DistributedInvocation[Any, Any]:
        """Submit one call; its invocation, or the one already registered (`ReusedInvocation`)."""
        return self.route_calls([call])[0]

    def route_calls(self, calls: Iterable[Call[Any, Any]]) -> list[DistributedInvocation[Any, Any]]:
        """Submit calls; their invocations, in the order of the calls."""
        routed: list[DistributedInvocation[Any, Any]] = []
        for task, group in groupby(calls, key=lambda call: call.task):
            routed += submit_many(task, [call.arguments.passed for call in group])
        return routed

    def route_invocation(self, invocation: InvocationOrId) -> None:
        """See that `invocation` is in the queue, as `app.broker.route_invocation` does."""
        self.app.broker.route_invocation(invocation)

    def route_invocations(self, invocations: Iterable[InvocationOrId]) -> None:
        """`route_invocation` for each."""
        self.app.broker.route_invocations(invocations)

    # -- reading ---------------------------------------------------------------------------------------------------

    def get_invocation_status(self, invocation: InvocationOrId) -> InvocationStatus:
        """The status now. Raises `InvocationNotFoundError`."""
        if self.app.conf.dev_mode_force_sync_tasks:
            return find(self.app, id_of(invocation)).status
        return InvocationStatus(self._store.status(id_of(invocation)))

    def filter_by_status(self, invocations: Iterable[InvocationOrId], statuses: Any) -> list[str]:
        """The ids of those in one of these statuses, in order."""
        wanted = set(texts(statuses))
        return [id_ for id_ in map(id_of, invocations) if self._store.status(id_) in wanted]

    def filter_final(self, invocations: Iterable[InvocationOrId]) -> list[str]:
        """The ids of those that are finished, in order."""
        ids = [id_of(invocation) for invocation in invocations]
        return [id_ for id_, terminal in zip(ids, self._store.terminals(ids), strict=True) if terminal is not None]

    def count_invocations(self, task_id: str | None = None, statuses: Any = None) -> int:
        """How many there are, of one task or of all, in these statuses or in any."""
        return self._store.count(task_id=None if task_id is None else str(task_id), statuses=texts(statuses))

    def get_existing_invocations(
        self, task: Task[Any, Any], key_serialized_arguments: dict[str, str] | None = None, statuses: Any = None
    ) -> Iterator[str]:
        """Ids of the invocations of `task` in these statuses whose arguments have these canonical texts."""
        for invocation_id in every_id(self._store, task_id=str(task.task_id), statuses=texts(statuses)):
            if not key_serialized_arguments:
                yield invocation_id
                continue
            codec = self.app._codec
            kwargs = codec.decode_arguments(task, self._store.get(invocation_id).payload, invocation_id)
            found = codec.argument_texts(task, task._signature.filled(kwargs))
            if all(found.get(name) == text for name, text in key_serialized_arguments.items()):
                yield invocation_id

    def get_task_invocation_ids(self, task_id: str) -> Iterator[str]:
        """Every id of one task, in order of submission."""
        yield from every_id(self._store, task_id=str(task_id))

    def get_invocation_ids_paginated(
        self, task_id: str | None = None, statuses: Any = None, limit: int = 100, offset: int = 0
    ) -> list[str]:
        """One page of ids, in order of submission. `ValueError` for a negative limit or offset."""
        if limit < 0 or offset < 0:
            raise ValueError(f"limit and offset must be at least 0, got limit={limit!r} and offset={offset!r}")
        task = None if task_id is None else str(task_id)
        return self._store.list_ids(task_id=task, statuses=texts(statuses), limit=limit, offset=offset)

    def get_call_invocation_ids(self, call_id: Any) -> Iterator[str]:
        """Ids of the invocations of one call: same task, same arguments. Takes a call or its id."""
        call_id = getattr(call_id, "call_id", call_id)
        task, wanted = self.app.get_task(call_id.task_id), str(call_id.args_id)
        for invocation_id in every_id(self._store, task_id=str(call_id.task_id)):
            record = self._store.get(invocation_id)
            # The store has it only where concurrency control needs it.
            if (record.args_id or Call(task, payload=record.payload).args_id) == wanted:
                yield invocation_id

    def get_blocking_invocations(self, max_num_invocations: int) -> Iterator[str]:
        """Ids in the queue that were called by a body which waits now, oldest first. Claims prefer those anyway."""
        children = (
            child
            for parent in every_id(self._store, statuses=["paused"])
            for child in self._store.list_ids(parent_id=parent, statuses=_QUEUED, limit=max_num_invocations)
        )
        # Ids are ordered by time, so the oldest are the smallest.
        yield from sorted(children)[:max_num_invocations]

    def purge(self) -> None:
        """Remove every invocation of the app, finished or not."""
        self._store.purge()

    # -- underneath ------------------------------------------------------------------------------------------------

    def _settle(self, claim: _core.Claim, outcome: Outcome) -> None:
        settled = settle_claim(self.app, claim, outcome, runner_of(self.app)._engine)
        status = self._store.status(claim.invocation_id) if settled == _core.REPLAYED else None
        changed_its_mind = status is not None and status != _STATUS[outcome.kind]
        if settled == _core.STALE or changed_its_mind:
            raise InvocationStatusOwnershipError(
                f"invocation {claim.invocation_id} is no longer owned by this process: its claim was lost"
            )

    def _cancel(self, invocation: InvocationOrId) -> None:
        answer = self._store.cancel(id_of(invocation), claimed=False)
        if answer != "done":
            raise InvocationStatusTransitionError(
                f"invocation {id_of(invocation)} cannot be cancelled: "
                + (
                    "a runner has claimed it; invocation.cancel() asks that runner to interrupt it"
                    if answer == "claimed"
                    else "it is finished"
                )
            )
