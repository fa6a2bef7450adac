"""`app.state_backend`: invocations, their results and their history, as a view over the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import msgspec

from pynenc._kernel.app_registry import on_the_same_store
from pynenc._kernel.runtime import runtime_of
from pynenc._tasks.not_offered import no_workflows
from pynenc._views.view import View, claim_of, every_id, id_of
from pynenc.app_info import AppInfo
from pynenc.conf.config_state_backend import ConfigStateBackend
from pynenc.exceptions import InvocationError, NotOfferedError
from pynenc.invocation.dev_invocations import find
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.invocation.status import InvocationStatus, InvocationStatusRecord

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._views.view import InvocationOrId


@dataclass(frozen=True)
class InvocationHistory:
    """One status change of an invocation."""

    invocation_id: str
    """The id of the invocation."""
    status: InvocationStatus
    """The new status."""
    timestamp: datetime
    """The time of the change, in UTC."""
    runner: str = ""
    """The key of the runner that made the change; empty for a client or the engine."""
    slot: int = 0
    """With an outcome: the slot that ran the body."""
    started: datetime | None = None
    """With an outcome: the time at which the body started, in UTC."""
    note: str = ""
    """The reason, if there is one to give."""
    times: int = 1
    """With a claim that was handed back: how many such changes in a row, for one reason, this one stands for."""
    registered_by_inv_id: str | None = None
    """The invocation whose body made the call; None for a call from outside."""

    @property
    def execution_context(self) -> str:
        """The runner, under the name of pynenc 0.0.16."""
        return self.runner

    @property
    def runner_context_id(self) -> str:
        """The runner, under the name of pynenc 0.4."""
        return self.runner

    @property
    def status_record(self) -> InvocationStatusRecord:
        """The status, its owner and its time as one object."""
        return InvocationStatusRecord(status=self.status, runner_id=self.runner or None, timestamp=self.timestamp)

    def to_json(self) -> str:
        """Return the change as text.

        Returns:
            One JSON object.
        """
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> InvocationHistory:
        """Read a change.

        Args:
            text: what `to_json` returned.
        Returns:
            The change.
        Raises:
            ValueError: the text is no such change.
        """
        return msgspec.json.decode(text, type=cls)


class BaseStateBackend(View):
    """Reads invocations. The steps of the store write them, together with everything that belongs to them.

    Each method blocks for its reads of the store. `state_backend_cls` selects an imported subclass by its name.

    Args:
        app: the app.

    Example:
        >>> invocation = add(1, 2)
        >>> invocation.result, app.state_backend.get_result(invocation.invocation_id)
        (3, 3)
        >>> [str(change.status) for change in app.state_backend.get_history(invocation)]
        ['registered', 'pending', 'running', 'success']
    """

    @cached_property
    def conf(self) -> ConfigStateBackend:
        """The settings of this component."""
        return ConfigStateBackend(self.app.config_values, self.app.config_filepath)

    def get_invocation(self, invocation_id: InvocationOrId) -> DistributedInvocation[Any, Any]:
        """Return the invocation with an id. It can run here if the id came from `broker.retrieve_invocation`.

        Args:
            invocation_id: the id, or an invocation.
        Returns:
            The invocation; in dev mode one of this process.
        Raises:
            InvocationNotFoundError: the store has no such invocation, or no longer.
        """
        if self.app.conf.dev_mode_force_sync_tasks:
            # In all that both have it serves as well; only a runner needs more.
            return cast("DistributedInvocation[Any, Any]", find(self.app, id_of(invocation_id)))
        record = self._store.get(id_of(invocation_id))
        return DistributedInvocation(
            self.app, record.invocation_id, claim=claim_of(invocation_id), parent_id=record.parent_id
        )

    def get_child_invocations(self, invocation: InvocationOrId) -> Iterator[str]:
        """List the invocations that the body of an invocation has called.

        Args:
            invocation: an invocation or its id.
        Yields:
            Ids, in order of submission.
        """
        yield from every_id(self._store, parent_id=id_of(invocation))

    def get_history(self, invocation: InvocationOrId) -> list[InvocationHistory]:
        """List every status change of an invocation.

        Args:
            invocation: an invocation or its id.
        Returns:
            The changes, oldest first.
        Raises:
            InvocationNotFoundError: the store has no such invocation.
        """
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
        """Return the value of a finished invocation. Does not wait for it to finish.

        Args:
            invocation: an invocation or its id.
        Returns:
            The decoded value.
        Raises:
            InvocationNotFoundError: the store has no such invocation.
            InvocationError: it is not finished, or did not succeed.
        """
        if self.app.conf.dev_mode_force_sync_tasks:
            return find(self.app, id_of(invocation)).get_final_result()
        status, payload, reason = self._terminal(invocation)
        if status != InvocationStatus.SUCCESS.value or payload is None:
            raise InvocationError(id_of(invocation), f"it has no result: it ended as {status} {reason}".rstrip())
        return runtime_of(self.app).codec.decode_result(self._task(invocation), payload, id_of(invocation))

    def get_exception(self, invocation: InvocationOrId) -> BaseException:
        """Return the exception of a failed invocation. Does not wait for it to finish.

        Args:
            invocation: an invocation or its id.
        Returns:
            The decoded exception.
        Raises:
            InvocationNotFoundError: the store has no such invocation.
            InvocationError: it is not finished, or its body raised nothing.
        """
        if self.app.conf.dev_mode_force_sync_tasks:
            return find(self.app, id_of(invocation)).get_exception()
        status, payload, reason = self._terminal(invocation)
        if status != InvocationStatus.FAILED.value or payload is None:
            raise InvocationError(id_of(invocation), f"it has no exception: it ended as {status} {reason}".rstrip())
        return runtime_of(self.app).codec.decode_exception(self._task(invocation), payload, id_of(invocation))

    # -- apps and workflows ----------------------------------------------------------------------------------------

    def get_app_info(self) -> AppInfo:
        """Return the app as data, with which another process can find it.

        Returns:
            Its id, its module and its settings.
        """
        return AppInfo.from_app(self.app)

    def discover_app_infos(self) -> dict[str, AppInfo]:
        """List the apps of this process that use this store.

        The store keeps no descriptions of apps, so apps of other processes are missing. Hand `AppInfo.to_json()` to
        another process that needs one.

        Returns:
            The apps as data, by id.
        """
        return {app.app_id: AppInfo.from_app(app) for app in on_the_same_store(self.app)}

    def store_app_info(self, info: AppInfo) -> None:
        """Accept the description that `get_app_info` returns anyway; refuse any other, because the store keeps none.

        Args:
            info: the description.
        Raises:
            NotOfferedError: it differs from that of this app.
        """
        if info != self.get_app_info():
            raise NotOfferedError(
                f"store_app_info: the store keeps no descriptions of apps, so that of {info.app_id!r} would be lost. "
                "Hand AppInfo.to_json() to whoever needs it; Pynenc.from_info(AppInfo.from_json(text)) is the app."
            )

    def get_workflow_data(self, workflow: Any, key: str, default: Any = None) -> Any:
        """Refuse: this build has no workflows.

        Args:
            workflow: the identity of a workflow.
            key: the name of the value.
            default: the value if there is none.
        Raises:
            NotOfferedError: always.
        """
        raise no_workflows(f"state_backend.get_workflow_data({key!r})")

    def set_workflow_data(self, workflow: Any, key: str, value: Any) -> None:
        """Refuse: this build has no workflows.

        Args:
            workflow: the identity of a workflow.
            key: the name of the value.
            value: the value.
        Raises:
            NotOfferedError: always.
        """
        raise no_workflows(f"state_backend.set_workflow_data({key!r})")

    # -- the rest --------------------------------------------------------------------------------------------------

    def wait_for_all_async_operations(self) -> None:
        """Return at once: every write is complete when its call returns."""

    def purge(self) -> None:
        """Remove every invocation of the app from the store, finished or not."""
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
