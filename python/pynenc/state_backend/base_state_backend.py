"""Invocations, their results and their history: a view over the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import msgspec

from pynenc import _core
from pynenc._dev_mode import find
from pynenc.app_info import AppInfo
from pynenc.conf.config_state_backend import ConfigStateBackend
from pynenc.exceptions import InvocationError, NotOfferedError
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.invocation.status import InvocationStatus, InvocationStatusRecord
from pynenc.util.views import View, claim_of, every_id, id_of
from pynenc.workflow.exceptions import not_offered as no_workflows

if TYPE_CHECKING:
    from pynenc.util.views import InvocationOrId


@dataclass(frozen=True)
class InvocationHistory:
    """One status change of an invocation."""

    invocation_id: str
    status: InvocationStatus
    timestamp: datetime
    """When, with time zone UTC."""
    runner: str = ""
    """Key of the runner that made the change; empty for a client or the engine."""
    slot: int = 0
    """With an outcome: the slot that ran the body."""
    started: datetime | None = None
    """With an outcome: when the body started."""
    note: str = ""
    """Why, where there is something to say."""
    times: int = 1
    """With a claim that was handed back: how many in a row, for the same reason, this one stands for."""
    registered_by_inv_id: str | None = None
    """The invocation in whose body the call was made."""

    @property
    def execution_context(self) -> str:
        """The runner, under its oldest name."""
        return self.runner

    @property
    def runner_context_id(self) -> str:
        """The runner, under its newer name."""
        return self.runner

    @property
    def status_record(self) -> InvocationStatusRecord:
        """Status, runner and time as one object."""
        return InvocationStatusRecord(status=self.status, runner_id=self.runner or None, timestamp=self.timestamp)

    def to_json(self) -> str:
        """One JSON object."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> InvocationHistory:
        """The inverse of `to_json`. Raises `ValueError` for text that is none."""
        return msgspec.json.decode(text, type=cls)


class BaseStateBackend(View):
    """Reads invocations. They are written by the verbs of the store, together with everything that belongs to them."""

    @cached_property
    def conf(self) -> ConfigStateBackend:
        """Settings of this component."""
        return ConfigStateBackend(self.app.config_values, self.app.config_filepath)

    def get_invocation(self, invocation_id: InvocationOrId) -> DistributedInvocation[Any, Any]:
        """The invocation with this id; it can run here if the id came from `broker.retrieve_invocation`.

        Raises:
            InvocationNotFoundError: the store knows no such invocation (any more).
        """
        if self.app.conf.dev_mode_force_sync_tasks:
            # In all that both have it serves as well; only a runner needs more.
            return cast("DistributedInvocation[Any, Any]", find(self.app, id_of(invocation_id)))
        record = self._store.get(id_of(invocation_id))
        return DistributedInvocation(
            self.app, record.invocation_id, claim=claim_of(invocation_id), parent_id=record.parent_id
        )

    def get_child_invocations(self, invocation: InvocationOrId) -> Iterator[str]:
        """Ids of the invocations that were called in the body of this one, in order of submission."""
        yield from every_id(self._store, parent_id=id_of(invocation))

    def get_history(self, invocation: InvocationOrId) -> list[InvocationHistory]:
        """Every status change, oldest first. Raises `InvocationNotFoundError`."""
        invocation_id = id_of(invocation)
        parent_id = self._store.get(invocation_id).parent_id
        return [
            InvocationHistory(
                invocation_id=invocation_id,
                status=InvocationStatus(entry.status),
                timestamp=datetime.fromtimestamp(entry.at, UTC),
                runner=entry.runner,
                slot=entry.slot,
                started=datetime.fromtimestamp(entry.started, UTC) if entry.started else None,
                note=entry.note,
                times=entry.times,
                registered_by_inv_id=parent_id,
            )
            for entry in self._store.history(invocation_id)
        ]

    def get_result(self, invocation: InvocationOrId) -> Any:
        """The value a finished invocation returned; does not wait.

        Raises:
            InvocationNotFoundError: no such invocation.
            InvocationError: it is not finished, or did not succeed.
        """
        if self.app.conf.dev_mode_force_sync_tasks:
            return find(self.app, id_of(invocation)).get_final_result()
        status, payload, reason = self._terminal(invocation)
        if status != InvocationStatus.SUCCESS.value or payload is None:
            raise InvocationError(id_of(invocation), f"it has no result: it ended as {status} {reason}".rstrip())
        return self.app._codec.decode_result(self._task(invocation), payload, id_of(invocation))

    def get_exception(self, invocation: InvocationOrId) -> BaseException:
        """The exception a failed invocation raised; does not wait.

        Raises:
            InvocationNotFoundError: no such invocation.
            InvocationError: it is not finished, or its body raised nothing.
        """
        if self.app.conf.dev_mode_force_sync_tasks:
            return find(self.app, id_of(invocation)).get_exception()
        status, payload, reason = self._terminal(invocation)
        if status != InvocationStatus.FAILED.value or payload is None:
            raise InvocationError(id_of(invocation), f"it has no exception: it ended as {status} {reason}".rstrip())
        return self.app._codec.decode_exception(self._task(invocation), payload, id_of(invocation))

    # -- apps and workflows ----------------------------------------------------------------------------------------

    def get_app_info(self) -> AppInfo:
        """The app as another process needs to know it to find it."""
        return AppInfo.from_app(self.app)

    def discover_app_infos(self) -> dict[str, AppInfo]:
        """The apps of this process that work on this store, by id.

        Those of other processes are not among them, even if they work on it too: the store keeps invocations, and no
        descriptions of apps. Where one is needed in another process, hand it the `to_json()` of an `AppInfo`.
        """
        return {app.app_id: AppInfo.from_app(app) for app in self.app._on_the_same_store()}

    def store_app_info(self, info: AppInfo) -> None:
        """Raises `NotOfferedError`, unless it says of this app what `get_app_info` reads from it anyway."""
        if info != self.get_app_info():
            raise NotOfferedError(
                f"store_app_info: the store keeps no descriptions of apps, so that of {info.app_id!r} would be lost. "
                "Hand AppInfo.to_json() to whoever needs it; Pynenc.from_info(AppInfo.from_json(text)) is the app."
            )

    def get_workflow_data(self, workflow: Any, key: str, default: Any = None) -> Any:
        """Raises `NotOfferedError`: this build has no workflows."""
        raise no_workflows(f"state_backend.get_workflow_data({key!r})")

    def set_workflow_data(self, workflow: Any, key: str, value: Any) -> None:
        """Raises `NotOfferedError`: this build has no workflows."""
        raise no_workflows(f"state_backend.set_workflow_data({key!r})")

    # -- the rest --------------------------------------------------------------------------------------------------

    def wait_for_all_async_operations(self) -> None:
        """Nothing to wait for: every write is through when its call returns."""

    def purge(self) -> None:
        """Remove every invocation of the app, finished or not."""
        self._store.purge()

    def _terminal(self, invocation: InvocationOrId) -> tuple[str, bytes | None, str]:
        terminal: _core.Terminal | None = self._store.terminals([id_of(invocation)])[0]
        if terminal is None:
            status = self._store.status(id_of(invocation))
            raise InvocationError(id_of(invocation), f"it is not finished: its status is {status}")
        _, status, payload, reason = terminal
        return status, payload, reason or ""

    def _task(self, invocation: InvocationOrId) -> Any:
        return self.app.get_task(self._store.get(id_of(invocation)).task_id)
