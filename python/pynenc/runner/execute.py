"""Step 5, execute: run the body of one claim and turn whatever happens into an outcome."""

from __future__ import annotations

import asyncio
import contextvars
import time
import types
from typing import TYPE_CHECKING, Any

from pynenc import _core, context
from pynenc.exceptions import InvocationNotFoundError, InvocationStatusOwnershipError, RunnerError
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.runner.outcome import (
    MAX_DELAY_SEC,
    NOTE_CHARS,
    Outcome,
    begin_claim,
    describe,
    runner_of,
    settle_claim,
    unknown_task,
)

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
        return contextvars.copy_context().run(_execute, app, task, runner, claim, runner_args, invocation)
    except BaseException as bug:
        app.logger.exception("executing invocation %s of %s broke in the engine", claim.invocation_id, claim.task_id)
        return _broken(app, task, runner, bug)


async def execute_async(app: Pynenc, runner: BaseRunner, claim: _core.Claim) -> Outcome:
    """The same for a coroutine task, on the running loop, in the context of the calling asyncio task. Never raises."""
    try:
        task = app.get_task(claim.task_id)
    except Exception as error:
        return unknown_task(app, str(runner.runner_id), claim, error)
    invocation = DistributedInvocation(app, claim.invocation_id, task=task, claim=claim, parent_id=claim.parent_id)
    try:
        with context.enter_invocation(invocation, runner):
            try:
                args, kwargs = task._apply(app._codec.decode_arguments(task, claim.payload))
            except Exception as error:
                return _failed(app, task, runner, error)
            try:
                value = await task.func(*args, **kwargs)
            except BaseException as error:
                return _raised(app, task, runner, claim, error)
            return _returned(app, task, runner, value)
    except BaseException as bug:
        app.logger.exception("executing invocation %s of %s broke in the engine", claim.invocation_id, claim.task_id)
        return _broken(app, task, runner, bug)


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
    try:
        args, kwargs = task._apply(app._codec.decode_arguments(task, claim.payload))
    except Exception as error:
        return _failed(app, task, runner, error)
    try:
        value = task.func(*args, **kwargs)
        if isinstance(value, types.CoroutineType):
            value = asyncio.run(value)
    except BaseException as error:
        return _raised(app, task, runner, claim, error)
    return _returned(app, task, runner, value)


def _returned(app: Pynenc, task: Task[Any, Any], runner: BaseRunner, value: Any) -> Outcome:
    context.body_ended()
    try:
        return Outcome(_core.SUCCESS, app._codec.encode_result(task, value))
    except Exception as error:
        return _failed(app, task, runner, error)


def _raised(app: Pynenc, task: Task[Any, Any], runner: BaseRunner, claim: _core.Claim, error: BaseException) -> Outcome:
    context.body_ended()
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
        return Outcome(_core.RETRY, note=note)
    return _failed(app, task, runner, error)


def _failed(app: Pynenc, task: Task[Any, Any], runner: BaseRunner, error: BaseException) -> Outcome:
    payload = app._codec.encode_exception(task, error)
    if isinstance(error, RunnerError) and not runner.running:
        # Its wait was ended because it goes back to the queue: no failure, and nobody takes the outcome.
        app.logger.debug("task %s was interrupted: %s", task.task_id, describe(error))
        return Outcome(_core.FAILURE, payload)
    try:
        # Inside the context of the invocation, so the record carries its id.
        app.logger.error("task %s failed: %s", task.task_id, describe(error), exc_info=error)
    except BaseException:
        # An exception whose parts raise when they are read: the outcome matters, the line does not.
        app.logger.error("task %s failed: %s", task.task_id, describe(error))
    return Outcome(_core.FAILURE, payload)


def _broken(app: Pynenc, task: Task[Any, Any], runner: BaseRunner, bug: BaseException) -> Outcome:
    try:
        return Outcome(_core.FAILURE, app._codec.encode_exception(task, bug))
    except BaseException as second:
        # Not even that can be written down; what is left is to let another process try.
        note = f"{runner.runner_id} could not record a failure: {describe(second)}"
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
    outcome = execute(app, runner, claim, runner_args, invocation)
    if settle_claim(app, claim, outcome, engine, started) == _core.STALE:
        app.logger.warning(
            "the outcome of invocation %s was refused: its claim was lost meanwhile, and another run of it counts",
            claim.invocation_id,
        )
