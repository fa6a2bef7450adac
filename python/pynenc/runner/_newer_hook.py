"""Runners written for pynenc 0.4: their hook for waits takes ids, and has another name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def adapt(cls: type, base: type) -> None:
    """Give a runner class that defines only `_waiting_for_results(ids …)` a `waiting_for_results` that calls it.

    It gets the id of the caller (None outside of a body), the list of the ids it waits for, and `runner_args`: as many of
    them as it takes by position.
    """
    hook = vars(cls).get("_waiting_for_results")
    if not callable(hook) or "waiting_for_results" in vars(cls) or _has_a_wait(cls, base):
        return
    taken = _taken(hook)

    def waiting_for_results(
        self: Any, running_invocation: Any, result_invocation: list[Any], runner_args: dict[str, Any] | None = None
    ) -> None:
        """Call `_waiting_for_results` with ids."""
        caller = getattr(running_invocation, "invocation_id", running_invocation)
        ids = [getattr(target, "invocation_id", target) for target in result_invocation or ()]
        self._waiting_for_results(*(caller, ids, runner_args)[:taken])

    waiting_for_results.__qualname__ = f"{cls.__qualname__}.waiting_for_results"
    cls.waiting_for_results = waiting_for_results  # type: ignore[attr-defined]


def _has_a_wait(cls: type, base: type) -> bool:
    """Whether a class between brings a `waiting_for_results` already, which is then the one that counts."""
    return any("waiting_for_results" in vars(one) for one in cls.__mro__[1:] if one is not base)


def _taken(hook: Callable[..., Any]) -> int:
    """How many arguments besides `self` the hook takes by position."""
    parameters = list(inspect.signature(hook).parameters.values())
    if any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters):
        return 3
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in by_position for one in parameters) - 1
