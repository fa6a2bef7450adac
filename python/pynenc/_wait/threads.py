"""Step 8, result: waits of threads. One wait covers any number of invocations and does not poll.

The runner does the waiting: inside a body it lends the slot. A user's own runner has its method `waiting_for_results`
called; the built-in runners wait without leaving Rust.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from pynenc import context
from pynenc._engine import calls
from pynenc._kernel.sessions import session_of
from pynenc._wait.report import say_why_if_late
from pynenc.exceptions import InvocationExpiredError, InvocationNotFoundError, RunnerError
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._kernel.runtime import AppRuntime
    from pynenc._wait.target import Target

MEMORY_GRACE_SEC = 5.0
"""How long a client of a memory store may wait with no runner in the process before that counts as a mistake."""

_AT_ONCE_SEC = 0.001
"""A `waiting_for_results` that returns sooner has not waited."""


def wait_outcomes(
    runtime: AppRuntime, waiter: _core.Waiter, targets: Callable[[], Sequence[Target]], timeout: float | None = None
) -> list[_core.Terminal]:
    """Block until `waiter` yields something; empty at the timeout (seconds; None waits forever).

    Args:
        targets: makes the list of invocations still waited for, should a runner's own method want to see it.

    Raises:
        CycleDetectedError: one of the targets waits for the running invocation.
        InvocationNotFoundError: the record of a target is gone.
        RunnerError: the store is in memory and no runner of this process could ever finish them.
    """
    current = running_invocation(runtime)
    runner = runner_here(runtime)
    if not waits_natively(runner):
        return _wait_by_hook(runtime, runner, current, waiter, targets, timeout)
    if current is not None or runtime.store.kind != "memory":
        if current is None and ("gevent.monkey" in sys.modules or "eventlet.patcher" in sys.modules):
            from pynenc._wait.greenlets import patched_by, wait_beside_greenlets

            if library := patched_by():
                began = clock.monotonic()
                return wait_beside_greenlets(
                    library, waiter.wait, timeout, lambda: say_why_if_late(runtime, targets, began)
                )
        return session_of(runner).waiting.wait(current, waiter, timeout, targets)
    began = clock.monotonic()
    deadline = math.inf if timeout is None else began + timeout
    slice_sec = min(MEMORY_GRACE_SEC, runtime.conf.wait_warning_sec or math.inf)
    while True:
        left = deadline - clock.monotonic()
        news = session_of(runner).waiting.wait(None, waiter, max(0.0, min(left, slice_sec)))
        now = clock.monotonic()
        if news or now >= deadline:
            return news
        if now - began >= MEMORY_GRACE_SEC:
            require_runner(runtime)
        say_why_if_late(runtime, targets, began)


def _wait_by_hook(
    runtime: AppRuntime,
    runner: Any,
    current: Target | None,
    waiter: _core.Waiter,
    targets: Callable[[], Sequence[Target]],
    timeout: float | None,
) -> list[_core.Terminal]:
    """Call the runner's own `waiting_for_results`, positionally, for as long as nothing has finished."""
    runner_args = context.current_runner_args.get()
    began = clock.monotonic()
    deadline = None if timeout is None else began + timeout
    look_again = began + min(MEMORY_GRACE_SEC, runtime.conf.wait_warning_sec or math.inf)
    with parked(runner, current, waiter):
        while not (news := waiter.ready()):
            now = clock.monotonic()
            left = math.inf if deadline is None else deadline - now
            if left <= 0:
                break
            if now > look_again:
                if current is None:
                    require_runner(runtime)
                say_why_if_late(runtime, targets, began)
                look_again = now + MEMORY_GRACE_SEC
            pause = call_hook(runner, current, targets(), runner_args)
            if pause and (news := waiter.wait(min(pause, left))):
                break
    return news


def parked(runner: Any, current: Target | None, waiter: _core.Waiter) -> contextlib.AbstractContextManager[None]:
    """Within this block the body of `current` waits: its slot is lent out, its targets go first, cycles are found."""
    if session_of(runner).is_built_in and not waits_natively(runner):
        # A subclass of a built-in runner with its own method parks by calling the built-in method.
        return contextlib.nullcontext()
    return session_of(runner).waiting.parked(current, waiter)


def call_hook(
    runner: Any, current: Target | None, targets: Sequence[Target], runner_args: dict[str, Any] | None
) -> float:
    """Call `waiting_for_results`, positionally. Seconds to pause before the next call, if it did not wait itself."""
    began = clock.monotonic()
    runner.waiting_for_results(current, targets, runner_args)
    if clock.monotonic() - began >= _AT_ONCE_SEC:
        return 0.0
    return float(runner.conf.invocation_wait_results_sleep_time_sec)


def running_invocation(runtime: AppRuntime) -> Target | None:
    """Return the invocation of this app whose body runs here; None outside of one and in dev mode."""
    current = context.invocation_of(runtime.app)
    return cast("Target", current) if current is not None and current.in_store else None


def runner_here(runtime: AppRuntime) -> Any:
    """Return the runner that runs here if it is one of this app, else the runner of the app."""
    runner = context.current_runner.get()
    return runner if runner is not None and runner.app is runtime.app else runtime.runner


def waits_natively(runner: Any) -> bool:
    """Whether the wait may stay in Rust: not if a subclass has brought its own `waiting_for_results`."""
    return session_of(runner).waits_in_rust


def require_runner(runtime: AppRuntime) -> None:
    """Raise `RunnerError` if the store is in memory and no runner of this app runs in this process."""
    if runtime.store.kind != "memory" or runtime.has_running_runner():
        return
    if runtime.is_set_aside:
        raise RunnerError(
            f"waiting for a result of app {runtime.app_id!r}, which is isolated for a test, but nothing has run its "
            "tasks: call test.drain() (the AppTest that isolated() and the fixture pynenc_test return) before the "
            "result is asked for, or pynenc_runner(app) for code that waits by itself"
        )
    raise RunnerError(
        f"waiting for a result of app {runtime.app_id!r}, but no runner runs in this process, and its store is in "
        "memory, where no other process can see it: start one (threading.Thread(target=app.runner.run) with "
        "runner_cls set to ThreadRunner), or set store_url to a store that processes share"
    )


def missing(runtime: AppRuntime, invocation_id: str, error: Exception) -> InvocationNotFoundError:
    """The error to raise for an id that the store does not have: unknown, or kept for `result_ttl_sec` and removed."""
    invocation_id = str(getattr(error, "invocation_id", "") or invocation_id)
    try:
        age = calls.invocation_age_sec(invocation_id)
    except ValueError:
        return InvocationNotFoundError(invocation_id, f"{invocation_id!r} is not the id of an invocation")
    ttl = float(runtime.conf.result_ttl_sec)
    if age > ttl:
        return InvocationExpiredError(
            invocation_id,
            f"invocation {invocation_id} is {age:.0f} s old; finished ones are removed after result_ttl_sec={ttl:g} s",
        )
    if isinstance(error, InvocationNotFoundError):
        return error
    return InvocationNotFoundError(invocation_id, f"no invocation {invocation_id} in {runtime.store.url}: {error}")
