"""The options that a task is declared with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypedDict

from pynenc.conf.config_task import ConcurrencyControlType


class TaskOptions(TypedDict, total=False):
    """The options of `@app.task(…)`. An option that is left out, or None, comes from the configuration.

    Files and the environment override what is given here.
    """

    max_retries: int | None
    """Runs after the first, for retriable exceptions; 0 by default. Then the exception is the outcome."""
    retry_for: tuple[type[BaseException], ...] | None
    """Exceptions to retry, besides `RetryError`."""
    timeout: float | None
    """Seconds that a body may run, waits included, before it fails with `TaskTimeoutError`; 0 (default): no limit."""
    soft_timeout: float | None
    """Seconds after which the body is interrupted, to clean up before its `timeout`; 0 (default): never."""
    registration_concurrency: ConcurrencyControlType | str | None
    """Which calls are not made while an equal one waits in the queue; such a call returns a `ReusedInvocation`."""
    running_concurrency: ConcurrencyControlType | str | None
    """Which invocations do not run at the same time."""
    key_arguments: Iterable[str] | None
    """Names of the arguments that count for the mode `KEYS`."""
    on_diff_non_key_args_raise: bool | None
    """Raise at the call if the queued call with equal keys has other arguments."""
    reroute_on_concurrency_control: bool | None
    """An invocation that may not run now: True puts it off, False (default) drops it."""
    queue: str | None
    """The queue of its invocations; `"default"` by default. Letters, digits, `_`, `.`, `-`."""
    priority: float | None
    """From -100 to 100, higher first; 0 by default."""
    parallel_batch_size: int | None
    """The number of calls that `parallelize` submits at once; 100 by default, 0 for one at a time."""
    auto_parallel_batch_size: int | None
    """Deprecated and without effect: `parallel_batch_size` took its place."""
    lossy: bool | None
    """Accept arguments and results that come back as something else: a tuple without annotation, for example."""
    call_result_cache: bool | None
    """Accepted for compatibility, without effect."""
    disable_cache_args: Iterable[str] | None
    """Accepted for compatibility, without effect."""
    triggers: Any
    """Refused with `NotOfferedError`: this build has no triggers."""
    force_new_workflow: bool | None
    """Deprecated; True is refused with `NotOfferedError`: this build has no workflows."""
    is_workflow_task: bool | None
    """pynenc's `@app.workflow` sets it; True is refused with `NotOfferedError`: this build has no workflows."""


def option_text(value: Any) -> Any:
    """Return an option as JSON can carry it."""
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    return list(value) if isinstance(value, Iterable) else str(value)
