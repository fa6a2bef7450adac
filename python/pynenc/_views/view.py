"""The common base of the views of the store (`broker`, `orchestrator`, `state_backend`)."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from pynenc._execute.outcome import runner_of
from pynenc._kernel.runtime import runtime_of
from pynenc._kernel.sessions import session_of
from pynenc.exceptions import InvocationStatusOwnershipError

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._kernel.shapes import AppShape
    from pynenc.app import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation

    InvocationOrId: TypeAlias = DistributedInvocation[Any, Any] | str

PAGE = 1000
"""Ids read from the store at a time when all of them are asked for."""


class ClaimedInvocationId(str):
    """The id of an invocation that the caller owns.

    `state_backend.get_invocation(id)` makes an invocation of it that can run here.

    Args:
        claim: the ownership.
    """

    claim: _core.Claim

    def __new__(cls, claim: _core.Claim) -> ClaimedInvocationId:
        self = super().__new__(cls, claim.invocation_id)
        self.claim = claim
        return self


class View:
    """A stateless view over the store of an app. It holds the app and decides nothing.

    Args:
        app: the app.
    """

    def __init__(self, app: Pynenc) -> None:
        self.app = app

    @property
    def _store(self) -> _core.Store:
        runtime = runtime_of(self.app)
        if runtime.conf.dev_mode_force_sync_tasks:
            from pynenc._views.dev_store import DevStore

            return cast("_core.Store", DevStore(self.app))
        return runtime.store


def id_of(invocation: InvocationOrId) -> str:
    """Return the id of an invocation; an id is returned unchanged."""
    return str(getattr(invocation, "invocation_id", invocation))


def claim_of(invocation: InvocationOrId) -> _core.Claim | None:
    """The claim that came with an invocation or its id, if this process owns it."""
    return getattr(invocation, "_claim", None) or getattr(invocation, "claim", None)


def owned_claim(invocation: InvocationOrId, purpose: str) -> _core.Claim:
    """Return the claim of an invocation, or raise `InvocationStatusOwnershipError`, which names the purpose."""
    claim = claim_of(invocation)
    if claim is None:
        raise InvocationStatusOwnershipError(
            f"cannot {purpose} invocation {id_of(invocation)}: only its owner may, and this object carries no claim. "
            "Use the object that app.orchestrator.get_invocations_to_run(n) has handed out."
        )
    return claim


def texts(values: Any) -> list[str]:
    """Return statuses or names as plain text; a single one becomes a list of one, None an empty list."""
    if values is None:
        return []
    if isinstance(values, str):
        return [str(getattr(values, "value", values))]
    return [str(getattr(value, "value", value)) for value in values]


def every_id(
    store: _core.Store,
    *,
    task_id: str | None = None,
    statuses: Iterable[str] = (),
    parent_id: str | None = None,
) -> list[str]:
    """All matching ids, in order of submission, read page by page."""
    wanted = list(statuses)
    found: list[str] = []
    while True:
        page = store.list_ids(task_id=task_id, statuses=wanted, parent_id=parent_id, limit=PAGE, offset=len(found))
        found += page
        if len(page) < PAGE:
            return found


def view_key() -> str:
    """Return the name under which a process without a runner owns claims made through a view."""
    return f"view({socket.gethostname()}-{os.getpid()})"


def claim_some(app: AppShape, limit: int, queues: Iterable[str] = (), runner_ctx: Any = None) -> list[_core.Claim]:
    """Claim up to `limit` due invocations through the engine of the running runner, which renews their leases.

    Without a runner, or for chosen queues and a named owner, claim directly from the store. Nothing renews such leases,
    and a body must finish within `lease_sec`.
    """
    engine = session_of(runner_of(app)).engine
    chosen = list(queues)
    named = str(getattr(runner_ctx, "runner_id", "") or "")
    if engine is not None and not (chosen and named):
        return engine.claim(limit, chosen)
    return runtime_of(app).store.claim(named or view_key(), limit, chosen, app.conf.lease_sec)
