"""The queue of an app: a view over its store."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pynenc import _core
from pynenc._execute.outcome import Outcome, runner_of, settle_claim
from pynenc.conf.config_broker import ConfigBroker
from pynenc.conf.config_task import MAX_PRIORITY, MIN_PRIORITY, QUEUE_NAME
from pynenc.invocation.status import InvocationStatus
from pynenc.submit import submit_one
from pynenc.util.views import ClaimedInvocationId, View, claim_of, claim_some, id_of, texts

if TYPE_CHECKING:
    from pynenc.util.views import InvocationOrId

_QUEUED = [status.value for status in InvocationStatus if status.is_available_for_run()]


class BaseBroker(View):
    """What is in the queue. Submitting an invocation queues it in the same step, so nothing needs to be routed."""

    @cached_property
    def conf(self) -> ConfigBroker:
        """Settings of this component: the queues there are, and rules for priorities."""
        return self.app._broker_conf

    def route_invocation(
        self, invocation: InvocationOrId, queue_name: str | None = None, priority: float | None = None
    ) -> None:
        """See that `invocation` is in the queue: one that the caller owns is handed back, any other is there already.

        It waits in the queue and with the priority of its task: `queue_name` and `priority` are only looked at.

        Raises:
            ValueError: no queue can be called so, or no priority is so high or low.
            InvocationNotFoundError: no such invocation.
        """
        _check(queue_name, priority)
        claim = claim_of(invocation)
        if claim is None:
            self._store.status(id_of(invocation))
            return
        settle_claim(self.app, claim, Outcome(_core.RELEASE, note="routed again"), runner_of(self.app)._engine)

    def route_invocations(
        self, invocations: Iterable[InvocationOrId], queue_name: str | None = None, priority: float | None = None
    ) -> None:
        """`route_invocation` for each. Raises `ValueError` before the first."""
        _check(queue_name, priority)
        for invocation in invocations:
            self.route_invocation(invocation, queue_name, priority)

    def route_call(self, call: Any) -> Any:
        """Submit `call`; the invocation."""
        return submit_one(call.task, call.arguments.passed)

    def retrieve_invocation(self, queue_name: str | None = None) -> ClaimedInvocationId | None:
        """Claim the next due invocation (of one queue): its id, which carries the claim; None when there is none."""
        claims = claim_some(self.app, 1, [queue_name] if queue_name else [])
        return ClaimedInvocationId(claims[0]) if claims else None

    def count_invocations(self, queue_names: Iterable[str] | None = None) -> int:
        """How many wait for a runner, in these queues or in all."""
        return self._store.count(statuses=_QUEUED, queues=texts(queue_names))

    def purge(self) -> None:
        """Cancel everything that waits for a runner. What runs, and what has finished, stays."""
        while self._store.cancel_queued():
            # What this called back to the queue, and what has arrived meanwhile, too.
            continue


def _check(queue_name: str | None, priority: float | None) -> None:
    """Raise `ValueError` for what cannot be the queue or the priority of a task."""
    if queue_name is not None and not re.fullmatch(QUEUE_NAME, str(queue_name)):
        raise ValueError(f"route_invocation: queue_name must match {QUEUE_NAME}, got {queue_name!r}")
    # False for nan, too.
    if priority is not None and not MIN_PRIORITY <= priority <= MAX_PRIORITY:
        raise ValueError(
            f"route_invocation: priority must be a number from {MIN_PRIORITY} to {MAX_PRIORITY}, got {priority!r}"
        )
