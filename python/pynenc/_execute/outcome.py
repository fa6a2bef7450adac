"""How claims end: outcomes, and the verbs that write them for a user's own runner and for the views."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pynenc import context
from pynenc._engine.outcomes import CANCELLED, FAILURE, RELEASE, STALE, SUCCESS
from pynenc._kernel.runtime import runtime_of
from pynenc._tasks.unknown import UnknownTasks
from pynenc.exceptions import (
    InvocationAbandonedError,
    InvocationNotFoundError,
    InvocationStatusOwnershipError,
    StateBackendError,
)
from pynenc.util import clock
from pynenc.util.texts import NOTE_CHARS, describe

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._kernel.shapes import AppShape, RunnerShape

T = TypeVar("T")

MAX_DELAY_SEC = 15.0
"""Longest time until an invocation that cannot run here is offered again."""


_SHOWN_CHARS = 120
_SINCE = re.compile(r" is not known here, refused since (\S{10,30}\+00:00): ")


FINAL_NAMES = {SUCCESS: "success", FAILURE: "failed", CANCELLED: "cancelled"}
"""The outcomes that end an invocation, and the names of its status then. A retry and a hand-back do not end it."""


class Outcome(NamedTuple):
    """How a claim ends: the arguments of `settle` after the claim."""

    kind: int
    payload: bytes | None = None
    delay_sec: float = 0.0
    note: str = ""


def unknown_task(app: AppShape, runner_id: str, claim: _core.Claim, error: Exception) -> Outcome:
    """Hand a claim back whose task this process does not know: to come again after a delay that doubles each time.

    `unknown_task_ttl` after it was first refused it fails for good instead.
    """
    now = datetime.now(UTC)
    since = _refused_since(app, claim) or now
    refused_for = (now - since).total_seconds()
    if 0 < app.conf.unknown_task_ttl <= refused_for:
        text = (
            f"no runner that was offered it in {refused_for:.0f} s knows task {claim.task_id[:NOTE_CHARS]}; it fails "
            f"for good after unknown_task_ttl ({app.conf.unknown_task_ttl:g} s)"
        )
        app.logger.error("invocation %s failed for good: %s", claim.invocation_id, text)
        abandoned = InvocationAbandonedError(claim.invocation_id, text)
        return Outcome(FAILURE, runtime_of(app).codec.encode_exception(claim.task_id, abandoned, claim.invocation_id))
    # Doubling from the setting; the exponent is bounded so that the power cannot overflow.
    delay = min(MAX_DELAY_SEC, app.conf.unknown_task_delay_sec * 2.0 ** min(claim.releases, 16))
    # Equal notes are folded into one entry of the history, whichever runner gave it back: it does not name the runner,
    # and carries the time of the first one.
    stamp = since.isoformat(timespec="milliseconds")
    note = f"task {claim.task_id[:_SHOWN_CHARS]} is not known here, refused since {stamp}: {describe(error)}"[
        :NOTE_CHARS
    ]
    more = runtime_of(app).kept(UnknownTasks).refused(claim.task_id)
    if more is not None:
        app.logger.warning(
            "%s: invocation %s goes back to the queue for %g s, for a runner that knows its task, and fails for good "
            "%g s after it was first refused: %s.%s",
            runner_id,
            claim.invocation_id,
            delay,
            app.conf.unknown_task_ttl,
            error,
            more,
        )
    return Outcome(RELEASE, None, delay, note)


def _refused_since(app: AppShape, claim: _core.Claim) -> datetime | None:
    """When a runner first refused this invocation; None if none has."""
    if not claim.releases:
        return None
    try:
        found = [_SINCE.search(entry.note) for entry in runtime_of(app).store.history(claim.invocation_id)]
        return min((datetime.fromisoformat(match[1]) for match in found if match is not None), default=None)
    except (StateBackendError, ValueError):
        # A history that cannot be read now, or a note that another program has written.
        return None


def no_thread(app: AppShape, runner_id: str, claim: _core.Claim, error: BaseException) -> Outcome:
    """Hand a claim back for which no thread could be started: to come again after a delay that doubles each time."""
    delay = min(MAX_DELAY_SEC, 2.0 ** min(claim.releases, 16))
    note = f"cannot start a thread: {describe(error)}"[:NOTE_CHARS]
    app.logger.error(
        "%s: invocation %s goes back to the queue for %g s: %s", runner_id, claim.invocation_id, delay, note
    )
    return Outcome(RELEASE, None, delay, note)


def handed_back(note: str) -> Outcome:
    """Return the outcome of a claim that goes back into the queue at once."""
    return Outcome(RELEASE, note=note[:NOTE_CHARS])


def log_burial(runner: RunnerShape, invocation_id: str, how: str = "") -> None:
    """Log that an invocation has become a dead letter, with its task, and with how its last runner died."""
    try:
        task_id = runtime_of(runner.app).store.get(invocation_id).task_id
    except (StateBackendError, InvocationNotFoundError):
        task_id = "a task"
    text = "invocation %s of %s failed for good: its runners keep dying with it" + (": %s" if how else "%s")
    runner.logger.error(text, invocation_id, task_id, how)


def runner_of(app: AppShape) -> Any:
    """The runner that runs in this context, or else the app's."""
    runner = context.current_runner.get()
    return runner if runner is not None and runner.app is app else app.runner


def begin_claim(app: AppShape, claim: _core.Claim, engine: _core.Engine | None) -> None:
    """`pending` to `running`. Raises `InvocationStatusOwnershipError` when the claim was lost."""
    if engine is not None:
        _persist(app, claim, engine, lambda: engine.begin(claim))
    else:
        _persist(app, claim, engine, lambda: runtime_of(app).store.begin(claim.invocation_id, claim.fence))


def settle_claim(
    app: AppShape, claim: _core.Claim, outcome: Outcome, engine: _core.Engine | None, started: float = 0.0
) -> int:
    """End a claim; DONE, REPLAYED, or STALE when another run of it counts."""
    try:
        if engine is not None:
            return _persist(app, claim, engine, lambda: engine.settle_now(claim, *outcome))
        store, invocation_id, fence = runtime_of(app).store, claim.invocation_id, claim.fence
        return _persist(app, claim, engine, lambda: store.settle(invocation_id, fence, *outcome, started=started))
    except (InvocationStatusOwnershipError, InvocationNotFoundError):
        return STALE


def _persist(app: AppShape, claim: _core.Claim, engine: _core.Engine | None, write: Callable[[], T]) -> T:
    """Write; again, with pauses, while the store fails: for as long as a lease lives, or a running engine renews it.

    Repeating is safe: the store recognises what it has acknowledged before.
    """
    give_up = clock.monotonic() + app.conf.lease_sec
    pause = 0.05
    while True:
        try:
            return write()
        except InvocationNotFoundError:
            raise
        except StateBackendError as error:
            renewed = engine is not None and not engine.stopping
            if not renewed and clock.monotonic() + pause > give_up:
                raise
            app.logger.debug("the store fails for invocation %s, trying again: %s", claim.invocation_id, error)
            time.sleep(pause)
            pause = min(pause * 2, 1.0)
