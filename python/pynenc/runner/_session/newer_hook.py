"""Runners written for pynenc 0.4: their hook for waits gets ids, and has a name of its own, `_waiting_for_results`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

_HOOK, _WAIT = "_waiting_for_results", "waiting_for_results"


def adapt(cls: type[Any], base: type[Any]) -> None:
    """Give a runner class whose own hook is `_waiting_for_results` a `waiting_for_results` that calls it.

    Nothing is done where the class, or one of the user's between it and `base`, brings a `waiting_for_results`.

    Args:
        base: `BaseRunner`, whose hook only stands for those that are missing.
    """
    hook_owner, wait_owner = _owner(cls, _HOOK), _owner(cls, _WAIT)
    mro = cls.__mro__
    if hook_owner is base or mro.index(hook_owner) > mro.index(wait_owner) or not _may_be_replaced(wait_owner, base):
        return
    hook = getattr(cls, _HOOK)
    if inspect.iscoroutinefunction(hook):
        raise TypeError(
            f"{cls.__qualname__}.{_HOOK} must not be a coroutine function: it is called on the thread that waits, and "
            "its coroutine would never run"
        )
    # Also below a parent that was adapted: what its method passes on is what the hook of the parent takes.
    wait = _made_for(hook, getattr(wait_owner.__dict__[_WAIT], "_replaced", wait_owner.__dict__[_WAIT]))
    wait.__qualname__ = f"{cls.__qualname__}.{_WAIT}"
    setattr(cls, _WAIT, wait)


def _owner(cls: type[Any], name: str) -> type[Any]:
    return next(one for one in cls.__mro__ if name in vars(one))


def _may_be_replaced(owner: type[Any], base: type[Any]) -> bool:
    """Whether the wait that this class has is none that a user wrote: abstract, one of ours, or generated here."""
    ours = owner.__module__.startswith(base.__module__.rpartition(".")[0] + ".")
    return ours or hasattr(owner.__dict__[_WAIT], "_replaced")


def _made_for(hook: Callable[..., Any], replaced: Callable[..., Any]) -> Callable[..., None]:
    taken = _taken(hook)
    built_in = not getattr(replaced, "__isabstractmethod__", False)

    def waiting_for_results(
        self: Any, running_invocation: Any, result_invocation: list[Any], runner_args: dict[str, Any] | None = None
    ) -> None:
        """In a body: call `_waiting_for_results` with ids. Outside of one, or on top of a built-in, wait as well."""
        if running_invocation is not None:
            caller = getattr(running_invocation, "invocation_id", running_invocation)
            ids = [getattr(target, "invocation_id", target) for target in result_invocation or ()]
            self._waiting_for_results(*_as_many(taken, caller, ids, runner_args))
        if built_in:
            # The hook of a runner that does not wait for itself need not know how slots are lent out.
            replaced(self, running_invocation, result_invocation, runner_args)
        elif running_invocation is None:
            # pynenc asks the hook for bodies only.
            seconds = self.conf.invocation_wait_results_sleep_time_sec
            self._session.waiting.wait_at_most(result_invocation, seconds, None)

    waiting_for_results._replaced = replaced  # type: ignore[attr-defined]
    return waiting_for_results


def _as_many(taken: int, caller: Any, ids: list[Any], runner_args: Any) -> tuple[Any, ...]:
    return (ids,) if taken == 1 else (caller, ids, runner_args)[:taken]


def _taken(hook: Callable[..., Any]) -> int:
    """How many arguments besides `self` the hook takes by position."""
    try:
        parameters = list(inspect.signature(hook).parameters.values())
    except ValueError:
        # Compiled, and says nothing of its parameters: those that pynenc passes.
        return 3
    if any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters):
        return 3
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in by_position for one in parameters) - 1
