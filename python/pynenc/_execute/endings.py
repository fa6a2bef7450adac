"""Turns the end of a body into an outcome: what it returned or raised, or that it did not stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from pynenc import context
from pynenc._engine.outcomes import CANCELLED, FAILURE, RELEASE, RETRY, SUCCESS
from pynenc._execute.outcome import MAX_DELAY_SEC, Outcome
from pynenc._execute.timer import GRACE_SEC
from pynenc._kernel.shapes import traits_of
from pynenc.exceptions import RunnerError, SignatureError, TaskCancelledError, TaskTimeoutError
from pynenc.util.texts import NOTE_CHARS, describe
from pynenc.util.tracebacks import from_their_code

if TYPE_CHECKING:
    from pynenc._execute.coroutine_limits import CoroutineLimit
    from pynenc._execute.execution import Execution
    from pynenc._execute.thread_limits import BodyLimit


def returned(execution: Execution, value: Any) -> Outcome:
    """The outcome of a body that has returned."""
    invocation = execution.invocation
    invocation.body_ended = True
    try:
        return Outcome(SUCCESS, execution.codec.encode_result(execution.task, value, invocation.invocation_id))
    except Exception as error:
        return _failed(execution, error)


def raised(execution: Execution, error: BaseException, limit: BodyLimit | CoroutineLimit | None = None) -> Outcome:
    """The outcome of a body that has raised, perhaps because `limit` interrupted it."""
    execution.invocation.body_ended = True
    runtime, task, claim = execution.runtime, execution.task, execution.claim
    if limit is not None and limit.stage:
        if limit.stage == "gave up":
            return too_late(execution)
        if limit.stage == "cancelled" and isinstance(error, (TaskCancelledError, asyncio.CancelledError)):
            runtime.logger.info(
                "invocation %s of %s is cancelled: its body was interrupted", claim.invocation_id, task.task_id
            )
            return Outcome(CANCELLED, note="its body was interrupted")
        limits = traits_of(task).limits
        if limits is not None and type(error) is TaskTimeoutError and not error.task_id:
            # Raised in the body, where it could not say more.
            text = f"invocation {claim.invocation_id} {limits.describe(limit.stage)}"
            # The cause of a coroutine's error is the cancellation, which shows where the body was.
            error = TaskTimeoutError(task.task_id, text).with_traceback((error.__cause__ or error).__traceback__)
    if claim.retries < task.conf.max_retries and isinstance(error, tuple(task.retriable_exceptions)):
        note = describe(error)
        runtime.logger.warning(
            "invocation %s of %s raised %s: retry %d of %d",
            claim.invocation_id,
            claim.task_id,
            note,
            claim.retries + 1,
            task.conf.max_retries,
        )
        return Outcome(RETRY, note=execution.codec.note(error, note))
    return _failed(execution, error)


def given_up(execution: Execution, cancelled_after: float | None, what: str = "it is abandoned") -> Outcome:
    """The outcome of a body that does not stop at its `timeout`, or after a cancellation; `what` became of it."""
    runtime, task, claim = execution.runtime, execution.task, execution.claim
    if cancelled_after is not None:
        reason = f"it did not stop within {cancelled_after:g} s after it was cancelled: {what}"
        runtime.logger.warning("invocation %s of %s: %s", claim.invocation_id, claim.task_id, reason)
        outcome = Outcome(CANCELLED, note=reason)
    else:
        limits = traits_of(task).limits
        assert limits is not None
        late = f"{limits.describe('hard')} and did not stop within {GRACE_SEC:g} s after it"
        error = TaskTimeoutError(task.task_id, f"invocation {claim.invocation_id} {late}: {what}")
        outcome = raised(execution, error)
    log = execution.hooks.ends_log
    if log is not None:
        with context.enter_invocation(execution.invocation, execution.hooks.runner):
            log.write(claim, outcome)
    return outcome


def too_late(execution: Execution) -> Outcome:
    """The outcome of a body that ends after it was given up: the store refuses it, for it has an outcome already."""
    invocation_id = execution.claim.invocation_id
    execution.runtime.logger.debug("the body of invocation %s, which was given up, has ended", invocation_id)
    return Outcome(RELEASE, note="its body was given up before it ended")


def disturbed(execution: Execution, other: str) -> Outcome:
    """The outcome of a coroutine body whose tasks another body has cancelled: it is run again."""
    execution.invocation.body_ended = True
    claim = execution.claim
    reason = f"invocation {other}, which ran beside it, cancelled its tasks"
    execution.runtime.logger.warning("invocation %s of %s is run again: %s", claim.invocation_id, claim.task_id, reason)
    delay = 0.0 if claim.releases == 0 else min(MAX_DELAY_SEC, 2.0 ** min(claim.releases, 16))
    return Outcome(RELEASE, None, delay, f"{execution.hooks.runner.runner_id}: {reason}"[:NOTE_CHARS])


def undecodable(execution: Execution, error: Exception) -> Outcome:
    """The outcome of a claim whose arguments could not be decoded."""
    if isinstance(error, SignatureError):
        # Counted and logged already, once a minute: planted payloads must not fill the log.
        return _failure(execution, error)
    return _failed(execution, error)


def broken(execution: Execution, bug: BaseException) -> Outcome:
    """The outcome of an execution that broke in code of ours."""
    runtime, claim = execution.runtime, execution.claim
    runtime.logger.exception("executing invocation %s of %s broke in the engine", claim.invocation_id, claim.task_id)
    try:
        return _failure(execution, bug)
    except BaseException as second:
        # Not even that can be written down; what is left is to let another process try.
        note = f"{execution.hooks.runner.runner_id} could not record a failure: "
        note += execution.codec.note(second, describe(second))
        return Outcome(RELEASE, None, MAX_DELAY_SEC, note[:NOTE_CHARS])


def _failed(execution: Execution, error: BaseException) -> Outcome:
    outcome, runtime, task = _failure(execution, error), execution.runtime, execution.task
    if isinstance(error, RunnerError) and not execution.hooks.runner.running:
        # Its wait was ended because it goes back to the queue: no failure, and the store refuses the outcome.
        runtime.logger.debug("task %s was interrupted: %s", task.task_id, describe(error))
        return outcome
    try:
        # Inside the context of the invocation, so the record carries its id.
        shown = (type(error), error, from_their_code(error.__traceback__))
        runtime.logger.error("task %s failed: %s", task.task_id, describe(error), exc_info=shown)
    except BaseException:
        # An exception whose parts raise when they are read: the outcome matters, the line does not.
        runtime.logger.error("task %s failed: %s", task.task_id, describe(error))
    return outcome


def _failure(execution: Execution, error: BaseException) -> Outcome:
    payload = execution.codec.encode_exception(execution.task, error, execution.claim.invocation_id)
    return Outcome(FAILURE, payload)
