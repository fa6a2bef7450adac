"""Step 5, execute: run the body of one claim and turn whatever happens into an outcome."""

from __future__ import annotations

import asyncio
import contextvars
import math
import time
import types
from typing import TYPE_CHECKING, Any

from pynenc import context
from pynenc._execute.body_task import disturbed_by
from pynenc._execute.copies import end_copy
from pynenc._execute.coroutine_limits import CoroutineLimit
from pynenc._execute.decoding import CannotSupervise, decode, rest_of
from pynenc._execute.endings import broken, disturbed, given_up, raised, returned, too_late, undecodable
from pynenc._execute.outcome import Outcome, no_thread, unknown_task
from pynenc._execute.thread_limits import BodyLimit
from pynenc._execute.timer import GRACE_SEC, keep_time
from pynenc._kernel.shapes import traits_of
from pynenc._wait.target import claim_of, limit_of, runs_here, set_limit
from pynenc.conf.body_limits import Limits
from pynenc.invocation.dist_invocation import DistributedInvocation
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._execute.hooks import BodyHooks
    from pynenc._kernel.runtime import AppRuntime
    from pynenc.task import Task


def execute(
    runtime: AppRuntime,
    claim: _core.Claim,
    hooks: BodyHooks,
    runner_args: dict[str, Any] | None = None,
    invocation: DistributedInvocation[Any, Any] | None = None,
) -> Outcome:
    """Run the body of `claim` on the calling thread, in a context of its own. Never raises, whatever the body does.

    `SystemExit`, `KeyboardInterrupt` and `GeneratorExit` fail the invocation like any other exception. A task that this
    process does not know is handed back, to come again after a delay that grows.
    """
    # The usual way, which a call of `get_task` would make slower. Task ids hash and compare as the text they are.
    task = runtime.tasks.get(claim.task_id)  # type: ignore[call-overload]
    if task is None:
        try:
            task = runtime.app.get_task(claim.task_id)
        except Exception as error:
            return unknown_task(runtime.app, str(hooks.runner.runner_id), claim, error)
    execution = Execution(runtime, claim, hooks, task, invocation)
    try:
        run = execution.run if hooks.ends_log is None else execution.run_and_log
        return contextvars.copy_context().run(run, runner_args)
    except BaseException as bug:
        return broken(execution, bug)


async def execute_async(runtime: AppRuntime, claim: _core.Claim, hooks: BodyHooks) -> Outcome:
    """Run the body of a coroutine task on the running loop, in the context of the asyncio task. Never raises."""
    try:
        task = runtime.app.get_task(claim.task_id)
    except Exception as error:
        return unknown_task(runtime.app, str(hooks.runner.runner_id), claim, error)
    execution = Execution(runtime, claim, hooks, task)
    try:
        with context.enter_invocation(execution.invocation, hooks.runner):
            log, started = hooks.ends_log, time.time()
            begun = execution.begin_on_loop()
            if isinstance(begun, Outcome):
                outcome = begun
            else:
                # A body that waits keeps this frame. Another one around the body would cost each of them memory.
                limit, args, kwargs = begun
                try:
                    try:
                        value = await limit.run(task.func(*args, **kwargs))
                    finally:
                        execution.end_on_loop()
                    outcome = too_late(execution) if limit.stage == "gave up" else returned(execution, value)
                except BaseException as error:
                    outcome = execution.raised_on_loop(error, limit)
            if log is not None:
                log.write(claim, outcome, started)
            return outcome
    except BaseException as bug:
        return broken(execution, bug)


class Execution:
    """One execution of the body of one claim."""

    __slots__ = ("claim", "codec", "hooks", "invocation", "runtime", "task")

    def __init__(
        self,
        runtime: AppRuntime,
        claim: _core.Claim,
        hooks: BodyHooks,
        task: Task[Any, Any],
        invocation: DistributedInvocation[Any, Any] | None = None,
    ) -> None:
        self.runtime = runtime
        self.codec = runtime.codec
        self.claim = claim
        self.hooks = hooks
        self.task = task
        if invocation is None:
            invocation = DistributedInvocation(
                runtime.app, claim.invocation_id, task=task, claim=claim, parent_id=claim.parent_id
            )
        self.invocation = invocation

    def run(self, runner_args: dict[str, Any] | None) -> Outcome:
        """Decode the arguments, run the body, encode what it returns or raises. Changes the current context."""
        invocation, hooks = self.invocation, self.hooks
        # Never reset: the context ends with the invocation.
        context.current_invocation.set(invocation)
        context.current_runner.set(hooks.runner)
        context.current_runner_args.set(runner_args)
        traits = traits_of(self.task)
        limits = traits.limits
        began = 0.0 if limits is None else clock.monotonic()
        try:
            args, kwargs = traits.spread(decode(self))
        except CannotSupervise as error:
            return self._no_thread(error.__cause__ or error)
        except Exception as error:
            return undecodable(self, error)
        if limits is not None or invocation.invocation_id in hooks.bodies.early:
            try:
                keep_time()
            except RuntimeError as error:
                # No thread would end it at its limit, or because it is cancelled already: it does not begin.
                return self._no_thread(error)
        try:
            try:
                if limits is not None or traits.is_coroutine:
                    value = self._run_guarded(args, kwargs, began)
                else:
                    value = self._run_plain(args, kwargs)
            finally:
                if claim_of(invocation) is None:
                    end_copy()
        except BaseException as error:
            return raised(self, error, limit_of(invocation))
        return returned(self, value)

    def run_and_log(self, runner_args: dict[str, Any] | None) -> Outcome:
        """Run, then log how the invocation ended."""
        started = time.time()
        outcome = self.run(runner_args)
        log, limit = self.hooks.ends_log, limit_of(self.invocation)
        if log is not None and (limit is None or limit.stage != "gave up"):
            log.write(self.claim, outcome, started)
        return outcome

    def _run_plain(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a function without limits on the calling thread; it can be interrupted meanwhile."""
        invocation, bodies = self.invocation, self.hooks.bodies
        runs_here(invocation)
        invocation_id = invocation.invocation_id
        undisturbed = False
        # One exception can arrive from outside, anywhere in here; see `Bodies`.
        try:
            try:
                bodies.plain[invocation_id] = invocation
                if invocation_id in bodies.early:
                    self.hooks.runner.on_cancel(invocation_id)
                value = self.task.func(*args, **kwargs)
                return asyncio.run(value) if isinstance(value, types.CoroutineType) else value
            finally:
                undisturbed = bodies.plain.pop(invocation_id, None) is not None
        finally:
            if not undisturbed:
                try:
                    bodies.end_late(invocation_id)
                finally:
                    bodies.end_late(invocation_id)
                    self.hooks.limit_ends(self.claim)

    def _run_guarded(self, args: tuple[Any, ...], kwargs: dict[str, Any], began: float) -> Any:
        """Run a task with time limits, or a coroutine for which the runner has no loop, on the calling thread."""
        task, hooks, claim = self.task, self.hooks, self.claim
        traits = traits_of(task)
        limits = rest_of(traits.limits, began)
        # A coroutine is cancelled by its own loop; an exception from outside would hit that instead of the body.
        inner = CoroutineLimit(limits) if traits.is_coroutine else None

        def body() -> Any:
            if inner is not None:
                return asyncio.run(inner.run(task.func(*args, **kwargs)))
            value = task.func(*args, **kwargs)
            return asyncio.run(value) if isinstance(value, types.CoroutineType) else value

        limit = body_limit(self.runtime, claim, hooks, limits, inner)
        set_limit(self.invocation, limit)
        hooks.bodies.guard(claim, limit)
        if limits is not None and limits.hard < math.inf:
            hooks.limit_begins(claim, limits.hard + GRACE_SEC, None)
        try:
            return limit.run(body)
        finally:
            if inner is not None:
                limit.stage = limit.stage or inner.stage
            hooks.bodies.unguard(claim)
            hooks.limit_ends(claim)

    def begin_on_loop(self) -> tuple[CoroutineLimit, tuple[Any, ...], dict[str, Any]] | Outcome:
        """Decode the arguments of a coroutine. Return its limits and arguments, or an outcome if it cannot begin."""
        task, hooks, claim = self.task, self.hooks, self.claim
        traits, began = traits_of(task), clock.monotonic()
        try:
            args, kwargs = traits.spread(decode(self))
        except CannotSupervise as error:
            return self._no_thread(error.__cause__ or error)
        except Exception as error:
            return undecodable(self, error)
        limit = CoroutineLimit(
            rest_of(traits.limits, began), lambda: hooks.give_up(claim, given_up(self, limit.cancelled_after))
        )
        hooks.bodies.guard(claim, limit)
        return limit, args, kwargs

    def end_on_loop(self) -> None:
        """Let nothing interrupt the coroutine any more. In a forked copy of it, end the process."""
        if claim_of(self.invocation) is None:
            end_copy()
        self.hooks.bodies.unguard(self.claim)

    def raised_on_loop(self, error: BaseException, limit: CoroutineLimit) -> Outcome:
        """Return the outcome of a coroutine that has raised."""
        if isinstance(error, asyncio.CancelledError) and not limit.stage and (other := disturbed_by()):
            return disturbed(self, other)
        return raised(self, error, limit)

    def _no_thread(self, error: BaseException) -> Outcome:
        return no_thread(self.runtime.app, str(self.hooks.runner.runner_id), self.claim, error)


def body_limit(
    runtime: AppRuntime,
    claim: _core.Claim,
    hooks: BodyHooks,
    limits: Limits | None,
    inner: CoroutineLimit | None = None,
    thread: int | None = None,
) -> BodyLimit:
    """What interrupts a body of `claim` that is about to begin on this thread, or runs on `thread`."""

    def give_up(limit: BodyLimit) -> None:
        execution = Execution(runtime, claim, hooks, runtime.app.get_task(claim.task_id))
        hooks.give_up(claim, given_up(execution, limit.cancelled_after))

    return BodyLimit(limits, give_up, inner=inner, wake=lambda: hooks.wake(claim), thread=thread)
