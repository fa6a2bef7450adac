"""Which session the runners of a class get, and whether their waits stay in Rust."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.runner._session.session import RunnerSession
    from pynenc.runner.base_runner import BaseRunner

_WAIT_SLICE_SEC = 5.0
"""How long `waiting_for_results` of a built-in runner blocks when nothing finishes."""

SessionFactory = Callable[[Any], "RunnerSession"]

F = TypeVar("F", bound=Callable[..., Any])

_factories: weakref.WeakKeyDictionary[type[Any], SessionFactory] = weakref.WeakKeyDictionary()
_in_rust: set[Callable[..., Any]] = set()


def choose_session(cls: type[Any], factory: SessionFactory | None) -> None:
    """Choose what makes the sessions of a runner class: `factory`, or else that of its nearest base.

    Called once for each class, when the class is created.
    """
    _factories[cls] = factory or next(_factories[base] for base in cls.__mro__ if base in _factories)


def new_session(runner: BaseRunner) -> RunnerSession:
    """Make the session of a runner."""
    # Along the bases: a base of the user's may have an `__init_subclass__` that does not call that of `BaseRunner`.
    return next(_factories[base] for base in type(runner).__mro__ if base in _factories)(runner)


def waits_in_rust(method: F) -> F:
    """Mark a `waiting_for_results` of ours: callers may wait in Rust instead of calling it in a loop."""
    _in_rust.add(method)
    return method


def is_wait_in_rust(runner: BaseRunner) -> bool:
    """Return whether the runner has a `waiting_for_results` of ours, neither overridden nor replaced."""
    return type(runner).waiting_for_results in _in_rust and "waiting_for_results" not in runner.__dict__


@waits_in_rust
def waiting_for_results(
    self: BaseRunner,
    running_invocation: DistributedInvocation[Any, Any] | None,
    result_invocation: list[DistributedInvocation[Any, Any]],
    runner_args: dict[str, Any] | None = None,
) -> None:
    """Block until one of the results is final, for at most 5 s. Inside a body its slot is lent out meanwhile.

    Outside of a body the limit is `conf.invocation_wait_results_sleep_time_sec`.

    Args:
        running_invocation: the invocation whose body waits; None outside of a body.
        result_invocation: the invocations that it waits for.
        runner_args: the arguments that the runner passed to `invocation.run`.
    """
    seconds = _WAIT_SLICE_SEC
    if running_invocation is None:
        seconds = self.conf.invocation_wait_results_sleep_time_sec
    self._session.waiting.wait_at_most(result_invocation, seconds, running_invocation)
