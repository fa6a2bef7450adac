"""What pynenc's orchestrator does in steps of their own, and the store in one with what belongs to it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pynenc._execute.outcome import runner_of
from pynenc.conf.config_orchestrator import ConfigOrchestrator
from pynenc.exceptions import InvocationNotFoundError, InvocationStatusTransitionError
from pynenc.invocation.status import InvocationStatus, InvocationStatusRecord
from pynenc.orchestrator.controls import ActiveRunnerInfo, BaseBlockingControl, BaseCycleControl
from pynenc.util.views import View, every_id, id_of

if TYPE_CHECKING:
    from pynenc.util.views import InvocationOrId


class Upkeep(View):
    """Registration, expiry, heartbeats and recovery: the part of `BaseOrchestrator` that users seldom call."""

    @cached_property
    def conf(self) -> ConfigOrchestrator:
        """Settings of this component."""
        return ConfigOrchestrator(self.app.config_values, self.app.config_filepath)

    @cached_property
    def blocking_control(self) -> BaseBlockingControl:
        """Who waits for whom."""
        return BaseBlockingControl(self.app)

    @cached_property
    def cycle_control(self) -> BaseCycleControl:
        """Calls that come back to themselves."""
        return BaseCycleControl(self.app)

    # -- registration ------------------------------------------------------------------------------------------------

    def register_new_invocations(
        self, invocations: Iterable[InvocationOrId], runner_ctx: Any = None
    ) -> list[InvocationStatusRecord]:
        """The status records of invocations, each of which was registered in the step that submitted it.

        Raises:
            InvocationNotFoundError: the store has no such invocation. Submit a call with `route_call` to make one.
        """
        return [self.get_invocation_status_record(invocation) for invocation in invocations]

    def get_invocation_status_record(self, invocation: InvocationOrId) -> InvocationStatusRecord:
        """The status, its owner, and since when. Raises `InvocationNotFoundError`."""
        record, last = self._store.get(id_of(invocation)), self._store.history(id_of(invocation))[-1]
        return InvocationStatusRecord(
            status=InvocationStatus(record.status),
            runner_id=record.runner,
            timestamp=datetime.fromtimestamp(last.at, UTC),
        )

    def index_arguments_for_concurrency_control(self, invocation: InvocationOrId) -> None:
        """Its keys were indexed in the step that submitted it. Raises `InvocationNotFoundError` if nothing was."""
        self._store.status(id_of(invocation))

    def get_invocation_retries(self, invocation: InvocationOrId) -> int:
        """How often its body failed and was queued again."""
        return self._store.get(id_of(invocation)).retries

    def increment_invocation_retries(self, invocation: InvocationOrId) -> None:
        """Raises `InvocationStatusTransitionError`: a retry is counted in the step that queues it again.

        That is `set_invocation_retry`, and the outcome of a body that raised something retriable.
        """
        raise InvocationStatusTransitionError(
            f"the retries of invocation {id_of(invocation)} cannot be counted alone: set_invocation_retry counts "
            "one and queues it again, in one step"
        )

    # -- expiry ------------------------------------------------------------------------------------------------------

    def set_up_invocation_auto_purge(self, invocation: InvocationOrId) -> None:
        """Its removal is set up in the step that ends it, for `result_ttl_sec` later; this checks that it exists.

        Raises:
            InvocationNotFoundError: no such invocation.
        """
        self._store.status(id_of(invocation))

    def auto_purge(self) -> int:
        """Remove what finished longer than `result_ttl_sec` ago; how many. Runners do this all the time anyway."""
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
        """Renew the leases of what these runners own, for `lease_sec` from now.

        Runners of this package renew theirs by themselves. This is for work that was claimed without one, under the
        `runner_id` of a `runner_ctx`. The other arguments are accepted for compatibility: there is no election.
        """
        engine = runner_of(self.app)._engine
        for runner_id in runner_ids:
            ours = engine is not None and str(runner_of(self.app).runner_id) == str(runner_id)
            self._store.beat(engine.key if ours and engine is not None else str(runner_id), self.app.conf.lease_sec)

    def get_active_runners(self) -> list[ActiveRunnerInfo]:
        """The runners of this app that run now, the oldest first.

        A runner on another machine that was killed is listed until its last sign is some minutes old. Which of its
        claims go to other runners, and when, is decided by the leases.

        Raises:
            StateBackendError: the store cannot be read.
        """
        from pynenc.runner._session.presence import live_runners

        return [
            ActiveRunnerInfo(
                runner_id=card.runner,
                creation_time=datetime.fromtimestamp(card.started, UTC),
                last_heartbeat=datetime.fromtimestamp(card.written, UTC),
                consumed_queues=tuple(sorted(card.queues)) or None,
            )
            for card in sorted(live_runners(self.app), key=lambda card: card.started)
        ]

    def get_pending_invocations_for_recovery(self) -> Iterator[str]:
        """Ids that have been claimed and not started for longer than `max_pending_seconds`, in order of submission.

        A list to look at: what is recovered, and when, is decided by the leases of their claims.
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
