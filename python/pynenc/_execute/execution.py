"""Step 5, execute: run the body of one claim and turn whatever happens into an outcome."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
import threading
import time
import types
from typing import TYPE_CHECKING, Any

from pynenc import _core, context
from pynenc._execute.body_task import disturbed_by
from pynenc._execute.copies import end_copy
from pynenc._execute.decoding import CannotSupervise, decode, rest_of
from pynenc._execute.limits import GRACE_SEC, BodyLimit, CoroutineLimit, keep_time
from pynenc._execute.outcome import (
    MAX_DELAY_SEC,
    Outcome,
    begin_claim,
    no_thread,
    runner_of,
    settle_claim,
    unknown_task,
)
from pynenc.conf.body_limits import Limits
from pynenc.exceptions import (
    InvocationNotFoundError,
    InvocationStatusOwnershipError,
    RunnerError,
    SignatureError,
    TaskCancelledError,
    TaskTimeoutError,
)
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.util import clock
from pynenc.util.texts import NOTE_CHARS, describe
from pynenc.util.tracebacks import from_their_code

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.runner.base_runner import BaseRunner
    from pynenc.task import Task


def execute(
    app: Pynenc,
    runner: BaseRunner,
    claim: _core.Claim,
    runner_args: dict[str, Any] | None = None,
    invocation: DistributedInvocation[Any, Any] | None = None,
) -> Outcome:
    """Run the body of `claim` on the calling thread, in a context of its own. Never raises, whatever the body does.

    `SystemExit`, `KeyboardInterrupt` and `GeneratorExit` fail the invocation like any other exception. A task that this
    process does not know is handed back, to come again after a delay that grows.
    """
    try:
        task = app.get_task(claim.task_id)
    except Exception as error:
        return unknown_task(app, str(runner.runner_id), claim, error)
    try:
        run = _execute if runner._ends_log is None else _execute_and_log
        return contextvars.copy_context().run(run, app, task, runner, claim, runner_args, invocation)
    except BaseException as bug:
        app.logger.exception("executing invocation %s of %s broke in the engine", claim.invocation_id, claim.task_id)
        return _broken(app, task, runner, claim, bug)


async def execute_async(app: Pynenc, runner: BaseRunner, claim: _core.Claim) -> Outcome:
    """The same for a coroutine task, on the running loop, in the context of the calling asyncio task. Never raises."""
    try:
        task = app.get_task(claim.task_id)
    except Exception as error:
        return unknown_task(app, str(runner.runner_id), claim, error)
    invocation = DistributedInvocation(app, claim.invocation_id, task=task, claim=claim, parent_id=claim.parent_id)
    try:
        with context.enter_invocation(invocation, runner):
            log, started = runner._ends_log, time.time()
            outcome = await _execute_coroutine(app, task, runner, claim, invocation)
            if log is not None:
                log.write(claim, outcome, started)
            return outcome
    except BaseException as bug:
        app.logger.exception("executing invocation %s of %s broke in the engine", claim.invocation_id, claim.task_id)
        return _broken(app, task, runner, claim, bug)


async def _execute_coroutine(
    app: Pynenc,
    task: Task[Any, Any],
    runner: BaseRunner,
    claim: _core.Claim,
    invocation: DistributedInvocation[Any, Any],
) -> Outcome:
    began = clock.monotonic()
    try:
        args, kwargs = task._apply(decode(app, task, runner, claim, invocation.invocation_id))
    except CannotSupervise as error:
        return no_thread(app, str(runner.runner_id), claim, error.__cause__ or error)
    except Exception as error:
        return _undecodable(app, task, runner, claim, error)
    limit = CoroutineLimit(
        rest_of(task._limits, began),
        lambda: runner._give_up(claim, given_up(app, task, runner, claim, limit.cancelled_after)),
    )
    runner._running_bodies.guard(claim, limit)
    try:
        try:
            value = await limit.run(task.func(*args, **kwargs))
        finally:
            if invocation._claim is None:
                end_copy()
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError) and not limit.stage and (other := disturbed_by()):
            return _disturbed(app, runner, claim, other)
        return _raised(app, task, runner, claim, error, limit)
    finally:
        runner._running_bodies.unguard(claim)
    if limit.stage == "gave up":
        return _too_late(app, claim)
    return _returned(app, task, runner, claim, value, invocation.invocation_id)


def _disturbed(app: Pynenc, runner: BaseRunner, claim: _core.Claim, other: str) -> Outcome:
    """The outcome of a coroutine body whose tasks another body has cancelled: it is run again."""
    context.body_ended()
    reason = f"invocation {other}, which ran beside it, cancelled its tasks"
    app.logger.warning("invocation %s of %s is run again: %s", claim.invocation_id, claim.task_id, reason)
    delay = 0.0 if claim.releases == 0 else min(MAX_DELAY_SEC, 2.0 ** min(claim.releases, 16))
    return Outcome(_core.RELEASE, None, delay, f"{runner.runner_id}: {reason}"[:NOTE_CHARS])


def _execute_and_log(
    app: Pynenc,
    task: Task[Any, Any],
    runner: BaseRunner,
    claim: _core.Claim,
    runner_args: dict[str, Any] | None,
    invocation: DistributedInvocation[Any, Any] | None,
) -> Outcome:
    if invocation is None:
        invocation = DistributedInvocation(app, claim.invocation_id, task=task, claim=claim, parent_id=claim.parent_id)
    started = time.time()
    outcome = _execute(app, task, runner, claim, runner_args, invocation)
    log, limit = runner._ends_log, invocation._limit
    if log is not None and (limit is None or limit.stage != "gave up"):
        log.write(claim, outcome, started)
    return outcome


def _execute(
    app: Pynenc,
    task: Task[Any, Any],
    runner: BaseRunner,
    claim: _core.Claim,
    runner_args: dict[str, Any] | None,
    invocation: DistributedInvocation[Any, Any] | None,
) -> Outcome:
    if invocation is None:
        invocation = DistributedInvocation(app, claim.invocation_id, task=task, claim=claim, parent_id=claim.parent_id)
    # Never reset: this is a context of the invocation's own, which ends with it.
    context.current_invocation.set(invocation)
    context.current_runner.set(runner)
    context.current_runner_args.set(runner_args)
    began = 0.0 if task._limits is None else clock.monotonic()
    try:
        args, kwargs = task._apply(decode(app, task, runner, claim, invocation.invocation_id))
    except CannotSupervise as error:
        return no_thread(app, str(runner.runner_id), claim, error.__cause__ or error)
    except Exception as error:
        return _undecodable(app, task, runner, claim, error)
    if task._limits is not None or runner._running_bodies.is_early(invocation.invocation_id):
        try:
            keep_time()
        except RuntimeError as error:
            # Without anybody to end it at its limit, or because it is cancelled already, it does not begin.
            return no_thread(app, str(runner.runner_id), claim, error)
    try:
        try:
            value = _run_body(app, task, runner, claim, invocation, args, kwargs, began)
        finally:
            if invocation._claim is None:
                end_copy()
    except BaseException as error:
        return _raised(app, task, runner, claim, error, invocation._limit)
    return _returned(app, task, runner, claim, value, invocation.invocation_id)


def _run_body(
    app: Pynenc,
    task: Task[Any, Any],
    runner: BaseRunner,
    claim: _core.Claim,
    invocation: DistributedInvocation[Any, Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    began: float,
) -> Any:
    """What the body returns, on the calling thread; it can be interrupted meanwhile."""
    if task._limits is not None or task._is_coroutine:
        return _run_guarded(app, task, runner, claim, invocation, args, kwargs, began)
    invocation._thread = threading.get_ident()
    bodies, invocation_id = runner._running_bodies, invocation.invocation_id
    undisturbed = False
    # One exception can arrive from outside, anywhere in here; see `Bodies`.
    try:
        try:
            bodies.plain[invocation_id] = invocation
            if bodies.is_early(invocation_id):
                runner.on_cancel(invocation_id)
            value = task.func(*args, **kwargs)
            return asyncio.run(value) if isinstance(value, types.CoroutineType) else value
        finally:
            undisturbed = bodies.plain.pop(invocation_id, None) is not None
    finally:
        if not undisturbed:
            try:
                bodies.end_late(invocation_id)
            finally:
                bodies.end_late(invocation_id)
                runner._limit_ends(claim)


def _run_guarded(
    app: Pynenc,
    task: Task[Any, Any],
    runner: BaseRunner,
    claim: _core.Claim,
    invocation: DistributedInvocation[Any, Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    began: float,
) -> Any:
    """The same for a task with time limits, or a coroutine without a loop of its runner's."""
    limits = rest_of(task._limits, began)
    # A coroutine is cancelled by its own loop; an exception out of nowhere would hit that instead of the body.
    inner = CoroutineLimit(limits) if task._is_coroutine else None

    def body() -> Any:
        if inner is not None:
            return asyncio.run(inner.run(task.func(*args, **kwargs)))
        value = task.func(*args, **kwargs)
        return asyncio.run(value) if isinstance(value, types.CoroutineType) else value

    limit = invocation._limit = body_limit(app, runner, claim, limits, inner)
    runner._running_bodies.guard(claim, limit)
    if limits is not None and limits.hard < math.inf:
        runner._limit_begins(claim, limits.hard + GRACE_SEC, None)
    try:
        return limit.run(body)
    finally:
        if inner is not None:
            limit.stage = limit.stage or inner.stage
        runner._running_bodies.unguard(claim)
        runner._limit_ends(claim)


def body_limit(
    app: Pynenc,
    runner: BaseRunner,
    claim: _core.Claim,
    limits: Limits | None,
    inner: CoroutineLimit | None = None,
    thread: int | None = None,
) -> BodyLimit:
    """What interrupts a body of `claim` that is about to begin on this thread, or runs on `thread`."""

    def give_up(limit: BodyLimit) -> None:
        task = app.get_task(claim.task_id)
        runner._give_up(claim, given_up(app, task, runner, claim, limit.cancelled_after))

    return BodyLimit(limits, give_up, inner=inner, wake=lambda: runner._wake_body(claim), thread=thread)


def _returned(
    app: Pynenc, task: Task[Any, Any], runner: BaseRunner, claim: _core.Claim, value: Any, invocation_id: str
) -> Outcome:
    context.body_ended()
    try:
        return Outcome(_core.SUCCESS, app._runtime.codec.encode_result(task, value, invocation_id))
    except Exception as error:
        return _failed(app, task, runner, claim, error)


def given_up(
    app: Pynenc,
    task: Task[Any, Any],
    runner: BaseRunner,
    claim: _core.Claim,
    cancelled_after: float | None,
    what: str = "it is abandoned",
) -> Outcome:
    """The outcome of a body that does not stop at its `timeout`, or after a cancellation; `what` became of it."""
    if cancelled_after is not None:
        reason = f"it did not stop within {cancelled_after:g} s after it was cancelled: {what}"
        app.logger.warning("invocation %s of %s: %s", claim.invocation_id, claim.task_id, reason)
        outcome = Outcome(_core.CANCELLED, note=reason)
    else:
        limits = task._limits
        assert limits is not None
        late = f"{limits.describe('hard')} and did not stop within {GRACE_SEC:g} s after it"
        error = TaskTimeoutError(task.task_id, f"invocation {claim.invocation_id} {late}: {what}")
        outcome = _raised(app, task, runner, claim, error)
    log = runner._ends_log
    if log is not None:
        with context.enter_invocation(DistributedInvocation(app, claim.invocation_id, task=task), runner):
            log.write(claim, outcome)
    return outcome


def _too_late(app: Pynenc, claim: _core.Claim) -> Outcome:
    """What a body returns or raises after it was given up: its outcome was recorded then, and this one goes nowhere."""
    app.logger.debug("the body of invocation %s, which was given up, has ended", claim.invocation_id)
    return Outcome(_core.RELEASE, note="its body was given up before it ended")


def _raised(
    app: Pynenc,
    task: Task[Any, Any],
    runner: BaseRunner,
    claim: _core.Claim,
    error: BaseException,
    limit: BodyLimit | CoroutineLimit | None = None,
) -> Outcome:
    context.body_ended()
    if limit is not None and limit.stage:
        if limit.stage == "gave up":
            return _too_late(app, claim)
        if limit.stage == "cancelled" and isinstance(error, (TaskCancelledError, asyncio.CancelledError)):
            app.logger.info(
                "invocation %s of %s is cancelled: its body was interrupted", claim.invocation_id, task.task_id
            )
            return Outcome(_core.CANCELLED, note="its body was interrupted")
        if task._limits is not None and type(error) is TaskTimeoutError and not error.task_id:
            # Raised in the body, where it could not say more.
            text = f"invocation {claim.invocation_id} {task._limits.describe(limit.stage)}"
            # Of a coroutine the cause is the cancellation, which says where the body was.
            error = TaskTimeoutError(task.task_id, text).with_traceback((error.__cause__ or error).__traceback__)
    if claim.retries < task.conf.max_retries and isinstance(error, tuple(task.retriable_exceptions)):
        note = describe(error)
        app.logger.warning(
            "invocation %s of %s raised %s: retry %d of %d",
            claim.invocation_id,
            claim.task_id,
            note,
            claim.retries + 1,
            task.conf.max_retries,
        )
        return Outcome(_core.RETRY, note=app._runtime.codec.note(error, note))
    return _failed(app, task, runner, claim, error)


def _failed(app: Pynenc, task: Task[Any, Any], runner: BaseRunner, claim: _core.Claim, error: BaseException) -> Outcome:
    payload = app._runtime.codec.encode_exception(task, error, claim.invocation_id)
    if isinstance(error, RunnerError) and not runner.running:
        # Its wait was ended because it goes back to the queue: no failure, and nobody takes the outcome.
        app.logger.debug("task %s was interrupted: %s", task.task_id, describe(error))
        return Outcome(_core.FAILURE, payload)
    try:
        # Inside the context of the invocation, so the record carries its id.
        shown = (type(error), error, from_their_code(error.__traceback__))
        app.logger.error("task %s failed: %s", task.task_id, describe(error), exc_info=shown)
    except BaseException:
        # An exception whose parts raise when they are read: the outcome matters, the line does not.
        app.logger.error("task %s failed: %s", task.task_id, describe(error))
    return Outcome(_core.FAILURE, payload)


def _undecodable(
    app: Pynenc, task: Task[Any, Any], runner: BaseRunner, claim: _core.Claim, error: Exception
) -> Outcome:
    if isinstance(error, SignatureError):
        # Counted and logged already, once a minute: whoever plants payloads must not fill the log.
        return Outcome(_core.FAILURE, app._runtime.codec.encode_exception(task, error, claim.invocation_id))
    return _failed(app, task, runner, claim, error)


def _broken(app: Pynenc, task: Task[Any, Any], runner: BaseRunner, claim: _core.Claim, bug: BaseException) -> Outcome:
    try:
        return Outcome(_core.FAILURE, app._runtime.codec.encode_exception(task, bug, claim.invocation_id))
    except BaseException as second:
        # Not even that can be written down; what is left is to let another process try.
        note = f"{runner.runner_id} could not record a failure: {app._runtime.codec.note(second, describe(second))}"
        return Outcome(_core.RELEASE, None, MAX_DELAY_SEC, note[:NOTE_CHARS])


def run_claimed(invocation: DistributedInvocation[Any, Any], runner_args: dict[str, Any] | None = None) -> None:
    """What `invocation.run(runner_args)` does: begin, execute, settle, on the calling thread; for a user's own runner.

    Returns when the store has the outcome. A claim that was lost meanwhile is logged, not raised: another run counts.

    Raises:
        RunnerError: this invocation was not handed out by `get_invocations_to_run`.
        StateBackendError: the store did not take the outcome for as long as a lease lives.
    """
    app, claim = invocation.app, invocation._claim
    if claim is None:
        raise RunnerError(
            f"invocation {invocation.invocation_id} is not claimed by this process, so it cannot run here: "
            "run() is for invocations that app.orchestrator.get_invocations_to_run(n) has handed out"
        )
    runner = runner_of(app)
    engine = runner._engine
    try:
        begin_claim(app, claim, engine)
    except (InvocationStatusOwnershipError, InvocationNotFoundError) as error:
        app.logger.warning("invocation %s is not run here: %s", claim.invocation_id, error)
        return
    started = time.time()
    pulse = runner._loop_pulse
    with contextlib.nullcontext() if pulse is None else pulse.body():
        outcome = execute(app, runner, claim, runner_args, invocation)
    if invocation._limit is not None and invocation._limit.stage == "gave up":
        app.logger.warning("the body of invocation %s, which was abandoned, has ended", claim.invocation_id)
        return
    if settle_claim(app, claim, outcome, engine, started) == _core.STALE:
        app.logger.warning(
            "the outcome of invocation %s was refused: its claim was lost meanwhile, and another run of it counts",
            claim.invocation_id,
        )
