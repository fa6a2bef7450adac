"""Methods of pynenc's orchestrator for steps that the store takes together with the change they belong to."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pynenc._execute.outcome import runner_of
from pynenc._kernel.runtime import runtime_of
from pynenc._kernel.sessions import session_of
from pynenc._views.controls import ActiveRunnerInfo, BaseBlockingControl, BaseCycleControl
from pynenc._views.view import View, every_id, id_of
from pynenc._wait.runner_cards import live_runners
from pynenc.conf.config_orchestrator import ConfigOrchestrator
from pynenc.exceptions import InvocationNotFoundError, InvocationStatusTransitionError
from pynenc.invocation.status import InvocationStatus, InvocationStatusRecord

if TYPE_CHECKING:
    from pynenc._views.view import InvocationOrId


class Upkeep(View):
    """The part of `BaseOrchestrator` for registration, expiry, heartbeats and recovery. Users seldom call it."""

    @cached_property
    def conf(self) -> ConfigOrchestrator:
        """The settings of this component."""
        return ConfigOrchestrator(self.app.config_values, self.app.config_filepath)

    @cached_property
    def blocking_control(self) -> BaseBlockingControl:
        """The methods that record waits."""
        return BaseBlockingControl(self.app)

    @cached_property
    def cycle_control(self) -> BaseCycleControl:
        """The methods that find calls that come back to themselves."""
        return BaseCycleControl(self.app)

    # -- registration ------------------------------------------------------------------------------------------------

    def register_new_invocations(
        self, invocations: Iterable[InvocationOrId], runner_ctx: Any = None
    ) -> list[InvocationStatusRecord]:
        """Return the status records of invocations.

        Each was registered in the step that submitted it; `route_call` submits a call.

        Args:
            invocations: invocations or their ids.
            runner_ctx: accepted for compatibility.
        Returns:
            The records, in the given order.
        Raises:
            InvocationNotFoundError: the store does not have one of them.
        """
        return [self.get_invocation_status_record(invocation) for invocation in invocations]

    def get_invocation_status_record(self, invocation: InvocationOrId) -> InvocationStatusRecord:
        """Return the status of an invocation with its owner and its time.

        Args:
            invocation: an invocation or its id.
        Returns:
            The record.
        Raises:
            InvocationNotFoundError: the store has no such invocation.
        """
        record, last = self._store.get(id_of(invocation)), self._store.history(id_of(invocation))[-1]
        return InvocationStatusRecord(
            status=InvocationStatus(record.status),
            runner_id=record.runner,
            timestamp=datetime.fromtimestamp(last.at, UTC),
        )

    def index_arguments_for_concurrency_control(self, invocation: InvocationOrId) -> None:
        """Check that an invocation exists. Its keys were indexed in the step that submitted it.

        Args:
            invocation: an invocation or its id.
        Raises:
            InvocationNotFoundError: the store has no such invocation.
        """
        self._store.status(id_of(invocation))

    def get_invocation_retries(self, invocation: InvocationOrId) -> int:
        """Return how often a body failed and was queued again.

        Args:
            invocation: an invocation or its id.
        Returns:
            The number of retries.
        Raises:
            InvocationNotFoundError: the store has no such invocation.
        """
        return self._store.get(id_of(invocation)).retries

    def increment_invocation_retries(self, invocation: InvocationOrId) -> None:
        """Refuse: `set_invocation_retry` counts a retry in the step that queues the invocation again.

        Args:
            invocation: an invocation or its id.
        Raises:
            InvocationStatusTransitionError: always.
        """
        raise InvocationStatusTransitionError(
            f"the retries of invocation {id_of(invocation)} cannot be counted alone: set_invocation_retry counts "
            "one and queues it again, in one step"
        )

    # -- expiry ------------------------------------------------------------------------------------------------------

    def set_up_invocation_auto_purge(self, invocation: InvocationOrId) -> None:
        """Check that an invocation exists. The step that ends it sets up its removal, `result_ttl_sec` later.

        Args:
            invocation: an invocation or its id.
        Raises:
            InvocationNotFoundError: the store has no such invocation.
        """
        self._store.status(id_of(invocation))

    def auto_purge(self) -> int:
        """Remove the invocations that finished longer than `result_ttl_sec` ago. Runners do this by themselves.

        Returns:
            The number of removed invocations.
        """
        removed = 0
        while some := self._store.purge_expired():
            removed += some
        return removed

    # -- dead runners ------------------------------------------------------------------------------------------------

    def register_runner_heartbeats(
        self,
        runner_ids: Iterable[str],
        can_run_atomic_service: bool = False,
        consumed_queues: Iterable[str] | None = None,
    ) -> None:
        """Renew the leases of what some runners own, for `lease_sec` from now.

        Runners of this package renew their leases by themselves. This is for work that was claimed without a runner,
        under the `runner_id` of a `runner_ctx`.

        Args:
            runner_ids: the ids of the owners.
            can_run_atomic_service: accepted for compatibility: no runner is elected.
            consumed_queues: accepted for compatibility.
        """
        engine = session_of(runner_of(self.app)).engine
        for runner_id in runner_ids:
            ours = engine is not None and str(runner_of(self.app).runner_id) == str(runner_id)
            self._store.beat(engine.key if ours and engine is not None else str(runner_id), self.app.conf.lease_sec)

    def get_active_runners(self) -> list[ActiveRunnerInfo]:
        """List the runners of this app that run now.

        A runner on another machine that was killed is listed until its last sign of life is some minutes old. The
        leases decide when its claims go to other runners.

        Returns:
            The runners, the oldest first.
        Raises:
            StateBackendError: the store cannot be read.
        """
        return [
            ActiveRunnerInfo(
                runner_id=card.runner,
                creation_time=datetime.fromtimestamp(card.started, UTC),
                last_heartbeat=datetime.fromtimestamp(card.written, UTC),
                consumed_queues=tuple(sorted(card.queues)) or None,
            )
            for card in sorted(live_runners(runtime_of(self.app)), key=lambda card: card.started)
        ]

    def get_pending_invocations_for_recovery(self) -> Iterator[str]:
        """List the invocations that were claimed and not started for longer than `max_pending_seconds`.

        The list decides nothing: recovery goes by the leases of the claims.

        Yields:
            Ids, in order of submission.
        """
        latest = time.time() - self.app.conf.max_pending_seconds
        for invocation_id in every_id(self._store, statuses=[InvocationStatus.PENDING.value]):
            try:
                last = self._store.history(invocation_id)[-1]
            except InvocationNotFoundError:
                # Removed since it was listed.
                continue
            if last.status == InvocationStatus.PENDING and last.at <= latest:
                yield invocation_id
