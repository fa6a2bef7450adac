"""The interface of invocations for waits."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc.identifiers import InvocationId


class Target:
    """An invocation in the store: callers wait for it, and its body may wait.

    Contains only annotations, so that the classes of invocations can be above the functions that wait.
    """

    __slots__ = ()

    in_store: ClassVar[bool]
    app: Any
    invocation_id: InvocationId
    body_ended: bool
    _claim: _core.Claim | None
    """The ownership that lets this process run it; None for all others."""
    _limit: Any
    """What can interrupt its body here, or has."""
    _thread: int
    """The thread of a body that nothing has interrupted yet; 0 for none."""
    _task: Any
    """The task, if this object knows it already."""

    @property
    def depth(self) -> int:
        """How many invocations are above it."""
        raise NotImplementedError


def claim_of(target: Target) -> _core.Claim | None:
    """Return the claim of an invocation, if this process owns it."""
    return target._claim


def limit_of(target: Target) -> Any:
    """Return what can interrupt the body of an invocation here, or has; None for nothing."""
    return target._limit


def set_limit(target: Target, limit: Any) -> None:
    """Note what can interrupt the body of an invocation here."""
    target._limit = limit


def runs_here(target: Target) -> None:
    """Note that the body of an invocation runs on the calling thread."""
    target._thread = get_ident()  # type: ignore[misc]  # a slot of the subclass


def thread_of(target: Target) -> int:
    """Return the thread that the body of an invocation runs on; 0 for none."""
    return target._thread
