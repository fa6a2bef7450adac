"""`app.broker`: the queues of an app, as a view over its store."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pynenc._engine import outcomes
from pynenc._execute.outcome import Outcome, runner_of, settle_claim
from pynenc._kernel.runtime import runtime_of
from pynenc._kernel.sessions import session_of
from pynenc._submit.submit import plan_of, submit_one
from pynenc._views.view import ClaimedInvocationId, View, claim_of, claim_some, id_of, texts
from pynenc.conf.config_broker import ConfigBroker
from pynenc.conf.config_task import MAX_PRIORITY, MIN_PRIORITY, QUEUE_NAME
from pynenc.invocation.status import InvocationStatus

if TYPE_CHECKING:
    from pynenc._views.view import InvocationOrId

_QUEUED = [status.value for status in InvocationStatus if status.is_available_for_run()]


class BaseBroker(View):
    """The queues of an app. Submitting a call queues its invocation in the same step, so nothing needs to be routed.

    Each method blocks for its reads and writes of the store, and for nothing else. `broker_cls` selects an imported
    subclass by its name.

    Args:
        app: the app.

    Example:
        >>> with isolated(shop) as test:
        ...     invocation = pack(7)
        ...     shop.broker.count_invocations()
        1
    """

    @cached_property
    def conf(self) -> ConfigBroker:
        """The settings of this component: the queues there are, and rules for priorities."""
        return runtime_of(self.app).queues

    def route_invocation(
        self, invocation: InvocationOrId, queue_name: str | None = None, priority: float | None = None
    ) -> None:
        """See that an invocation is in the queue.

        An invocation that the caller owns is handed back to the queue; any other is there already. It keeps the queue
        and the priority of its task.

        Args:
            invocation: an invocation or its id.
            queue_name: checked, and without effect otherwise.
            priority: checked, and without effect otherwise.
        Raises:
            ValueError: no queue can have this name, or no task this priority.
            InvocationNotFoundError: the store has no such invocation.
        """
        _check(queue_name, priority)
        claim = claim_of(invocation)
        if claim is None:
            self._store.status(id_of(invocation))
            return
        settle_claim(
            self.app, claim, Outcome(outcomes.RELEASE, note="routed again"), session_of(runner_of(self.app)).engine
        )

    def route_invocations(
        self, invocations: Iterable[InvocationOrId], queue_name: str | None = None, priority: float | None = None
    ) -> None:
        """Call `route_invocation` for each invocation.

        Args:
            invocations: invocations or their ids.
            queue_name: checked before the first, and without effect otherwise.
            priority: checked before the first, and without effect otherwise.
        Raises:
            ValueError: no queue can have this name, or no task this priority.
            InvocationNotFoundError: the store has no such invocation.
        """
        _check(queue_name, priority)
        for invocation in invocations:
            self.route_invocation(invocation, queue_name, priority)

    def route_call(self, call: Any) -> Any:
        """Submit a call. Blocks until the store has it.

        Args:
            call: a `Call`.
        Returns:
            Its invocation.
        Raises:
            PynencError: as calling the task raises.
        """
        return submit_one(plan_of(call.task), call.arguments.passed)

    def retrieve_invocation(self, queue_name: str | None = None) -> ClaimedInvocationId | None:
        """Claim the next due invocation. Does not wait for one.

        In a process without a running runner nobody renews the lease: the body must end within `lease_sec`.

        Args:
            queue_name: the queue to take from; None takes from all queues of the runner.
        Returns:
            The id, which carries the claim; None if nothing is due.
        """
        claims = claim_some(self.app, 1, [queue_name] if queue_name else [])
        return ClaimedInvocationId(claims[0]) if claims else None

    def count_invocations(self, queue_names: Iterable[str] | None = None) -> int:
        """Count the invocations that wait for a runner.

        Args:
            queue_names: names of queues; None counts all queues.
        Returns:
            The number of invocations.
        """
        return self._store.count(statuses=_QUEUED, queues=texts(queue_names))

    def purge(self) -> None:
        """Cancel every invocation that waits for a runner. Running and finished invocations stay."""
        while self._store.cancel_queued():
            # Both the invocations that this call queued again, and those that have arrived meanwhile.
            continue


def _check(queue_name: str | None, priority: float | None) -> None:
    """Raise `ValueError` for an invalid queue or priority of a task."""
    if queue_name is not None and not re.fullmatch(QUEUE_NAME, str(queue_name)):
        raise ValueError(f"route_invocation: queue_name must match {QUEUE_NAME}, got {queue_name!r}")
    # False for nan, too.
    if priority is not None and not MIN_PRIORITY <= priority <= MAX_PRIORITY:
        raise ValueError(
            f"route_invocation: priority must be a number from {MIN_PRIORITY} to {MAX_PRIORITY}, got {priority!r}"
        )
