"""`app.orchestrator`: statuses, and work for a user's runner, as a view over the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pynenc._engine import outcomes
from pynenc._execute.outcome import Outcome, begin_claim, runner_of, settle_claim, unknown_task
from pynenc._kernel.runtime import runtime_of
from pynenc._kernel.sessions import session_of
from pynenc._submit.submit import plan_of, submit_many
from pynenc._views.claiming import claim_or_wait
from pynenc._views.controls import BaseBlockingControl, BaseCycleControl
from pynenc._views.reads import Reads
from pynenc._views.upkeep import Upkeep
from pynenc._views.view import id_of, owned_claim, texts
from pynenc.call import Call
from pynenc.exceptions import InvocationStatusOwnershipError, InvocationStatusTransitionError
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.invocation.status import InvocationStatus
from pynenc.util.texts import describe

__all__ = ["BaseBlockingControl", "BaseCycleControl", "BaseOrchestrator"]

_STATUS = {
    outcomes.SUCCESS: "success",
    outcomes.FAILURE: "failed",
    outcomes.RETRY: "retry",
    outcomes.RELEASE: "rerouted",
}
"""Where each outcome leaves an invocation."""

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._views.view import InvocationOrId


class BaseOrchestrator(Upkeep, Reads):
    """Statuses, and work for a user's runner. Methods take an invocation or its id, and return ids.

    Each method blocks for its reads and writes of the store and for nothing else, unless it says so. Parameters called
    `runner_ctx` are accepted for code written for pynenc 0.4; ownership comes with the claim. `orchestrator_cls`
    selects an imported subclass by its name.

    Args:
        app: the app.

    Example:
        >>> with isolated(shop) as test:
        ...     invocation = pack(7)
        ...     str(shop.orchestrator.get_invocation_status(invocation)), shop.orchestrator.count_invocations()
        ('registered', 1)
    """

    # -- work for a runner of your own -----------------------------------------------------------------------------

    def get_invocations_to_run(
        self, max_num_invocations: int, runner_ctx: Any = None, *, wait: float = 0.0
    ) -> Iterator[DistributedInvocation[Any, Any]]:
        """Claim due invocations, first those that waiting bodies wait for. Run each with `invocation.run(runner_args)`.

        Those not taken from the iterator go back to the queue when it is closed. In a process with a running runner the
        leases are renewed until the invocations are settled.

        Args:
            max_num_invocations: the most invocations to claim: the free slots. With 0 the iterator is empty.
            runner_ctx: the owner of the claims, in a process without a running runner.
            wait: seconds that the first step blocks if nothing is due, until something is or the runner stops. The
                store notifies the runner of new work; without a running runner the store is polled every 50 ms.
        Yields:
            Invocations that this process owns.
        Raises:
            ValueError: a negative wait.

        Example:
            >>> with isolated(shop) as test:
            ...     invocation = pack(7)
            ...     for mine in shop.orchestrator.get_invocations_to_run(1):
            ...         mine.run()
            ...     invocation.get_final_result()
            'packed 7'
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
                    settle_claim(self.app, claim, outcome, session_of(runner_of(self.app)).engine)
                    continue
                yield DistributedInvocation(
                    self.app, claim.invocation_id, task=task, claim=claim, parent_id=claim.parent_id
                )
        finally:
            for claim in reversed(waiting):
                # Lost claims do not matter here, so the answer is ignored.
                settle_claim(
                    self.app,
                    claim,
                    Outcome(outcomes.RELEASE, note="claimed but not taken"),
                    session_of(runner_of(self.app)).engine,
                )

    def set_invocation_status(self, invocation: InvocationOrId, status: Any, runner_ctx: Any = None) -> None:
        """Set the status of an invocation that the caller owns, or cancel one in the queue.

        Args:
            invocation: what `get_invocations_to_run` yielded; for `cancelled` any invocation or id.
            status: `running`, `paused`, `rerouted`, `killed`, `retry` or `cancelled`.
            runner_ctx: accepted for compatibility.
        Raises:
            InvocationStatusOwnershipError: the caller does not own the invocation, or no longer.
            InvocationStatusTransitionError: this status comes with a result or an exception, or the engine sets it; or
                what should be cancelled is claimed or finished.
        """
        wanted = InvocationStatus(texts(status)[0])
        if wanted is InvocationStatus.CANCELLED:
            self._cancel(invocation)
            return
        claim = owned_claim(invocation, f"set the status {wanted.value} of")
        owner = (claim.invocation_id, claim.fence)
        if wanted is InvocationStatus.RUNNING:
            if not (self._store.status(claim.invocation_id) == "paused" and self._store.resume(*owner)):
                begin_claim(self.app, claim, session_of(runner_of(self.app)).engine)
        elif wanted is InvocationStatus.PAUSED:
            self._store.pause(*owner, [])
        elif wanted in (InvocationStatus.REROUTED, InvocationStatus.KILLED):
            self._settle(claim, Outcome(outcomes.RELEASE, note=f"set to {wanted.value}"))
        elif wanted is InvocationStatus.RETRY:
            self._settle(claim, Outcome(outcomes.RETRY, note="set to retry"))
        else:
            raise InvocationStatusTransitionError(
                f"invocation {claim.invocation_id} cannot be set to {wanted.value}: outcomes are set with "
                "set_invocation_result or set_invocation_exception, and the engine sets the rest"
            )

    def set_invocation_result(self, invocation: InvocationOrId, result: Any, runner_ctx: Any = None) -> None:
        """End an invocation that the caller runs as `success`.

        Args:
            invocation: what `get_invocations_to_run` yielded.
            result: the value.
            runner_ctx: accepted for compatibility.
        Raises:
            SerializationError: the value has no encoded form.
            InvocationStatusOwnershipError: the caller does not own the invocation, or no longer.
        """
        claim = owned_claim(invocation, "set the result of")
        payload = runtime_of(self.app).codec.encode_result(
            self.app.get_task(claim.task_id), result, claim.invocation_id
        )
        self._settle(claim, Outcome(outcomes.SUCCESS, payload))

    def set_invocation_exception(
        self, invocation: InvocationOrId, exception: BaseException, runner_ctx: Any = None
    ) -> None:
        """End an invocation that the caller owns as `failed`.

        Args:
            invocation: what `get_invocations_to_run` yielded.
            exception: the exception that the client receives.
            runner_ctx: accepted for compatibility.
        Raises:
            InvocationStatusOwnershipError: the caller does not own the invocation, or no longer.
        """
        claim = owned_claim(invocation, "set the exception of")
        payload = runtime_of(self.app).codec.encode_exception(
            self.app.get_task(claim.task_id), exception, claim.invocation_id
        )
        self._settle(claim, Outcome(outcomes.FAILURE, payload))

    def set_invocation_retry(
        self, invocation: InvocationOrId, exception: BaseException, runner_ctx: Any = None
    ) -> None:
        """Queue an invocation that the caller runs again, as after a retriable exception. Counts one retry.

        Args:
            invocation: what `get_invocations_to_run` yielded.
            exception: the reason, for the history.
            runner_ctx: accepted for compatibility.
        Raises:
            InvocationStatusOwnershipError: the caller does not own the invocation, or no longer.
        """
        self._settle(
            owned_claim(invocation, "retry"),
            Outcome(outcomes.RETRY, note=runtime_of(self.app).codec.note(exception, describe(exception))),
        )

    def reroute_invocations(self, invocations: Iterable[InvocationOrId], runner_ctx: Any = None) -> None:
        """Hand invocations that the caller owns back to the queue.

        Args:
            invocations: what `get_invocations_to_run` yielded.
            runner_ctx: accepted for compatibility.
        Raises:
            InvocationStatusOwnershipError: the caller does not own one of them, or no longer.
        """
        for invocation in invocations:
            self.set_invocation_status(invocation, InvocationStatus.REROUTED, runner_ctx)

    def waiting_for_results(self, caller: InvocationOrId | None, targets: Iterable[InvocationOrId]) -> None:
        """Record that a body which this process runs waits for other invocations. Does not wait.

        Those go first from now on. The caller is `paused` until its status is set to `running` or it ends.

        Args:
            caller: the invocation whose body waits; with None nothing happens.
            targets: the invocations that it waits for, or their ids.
        Raises:
            InvocationStatusOwnershipError: this process does not own the caller.
            CycleDetectedError: one of the targets waits for the caller.
        """
        if caller is not None:
            claim = owned_claim(caller, "pause")
            self._store.pause(claim.invocation_id, claim.fence, [id_of(target) for target in targets])

    # -- calls -----------------------------------------------------------------------------------------------------

    def route_call(self, call: Call[Any, Any]) -> DistributedInvocation[Any, Any]:
        """Submit a call. Blocks until the store has it.

        Args:
            call: the task and its arguments.
        Returns:
            Its invocation; a `ReusedInvocation` if registration concurrency refused the call.
        Raises:
            PynencError: as calling the task raises.
        """
        return self.route_calls([call])[0]

    def route_calls(self, calls: Iterable[Call[Any, Any]]) -> list[DistributedInvocation[Any, Any]]:
        """Submit calls. Blocks until the store has all of them.

        Args:
            calls: tasks with their arguments.
        Returns:
            Their invocations, in the order of the calls.
        Raises:
            PynencError: as `Task.parallelize` raises.
        """
        routed: list[DistributedInvocation[Any, Any]] = []
        for task, group in groupby(calls, key=lambda call: call.task):
            routed += submit_many(plan_of(task), [call.arguments.passed for call in group])
        return routed

    def route_invocation(self, invocation: InvocationOrId) -> None:
        """See that an invocation is in the queue, as `app.broker.route_invocation` does.

        Args:
            invocation: an invocation or its id.
        Raises:
            InvocationNotFoundError: the store has no such invocation.
        """
        self.app.broker.route_invocation(invocation)

    def route_invocations(self, invocations: Iterable[InvocationOrId]) -> None:
        """Call `route_invocation` for each invocation.

        Args:
            invocations: invocations or their ids.
        Raises:
            InvocationNotFoundError: the store has no such invocation.
        """
        self.app.broker.route_invocations(invocations)

    # -- the rest --------------------------------------------------------------------------------------------------

    def purge(self) -> None:
        """Remove every invocation of the app from the store, finished or not."""
        self._store.purge()

    # -- underneath ------------------------------------------------------------------------------------------------

    def _settle(self, claim: _core.Claim, outcome: Outcome) -> None:
        settled = settle_claim(self.app, claim, outcome, session_of(runner_of(self.app)).engine)
        status = self._store.status(claim.invocation_id) if settled == outcomes.REPLAYED else None
        changed_its_mind = status is not None and status != _STATUS[outcome.kind]
        if settled == outcomes.STALE or changed_its_mind:
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
