"""What waiting knows of invocations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc.identifiers import InvocationId


class Target:
    """An invocation in the store: others wait for it, and its body may wait.

    Only annotations, so that the classes of invocations can stand above the functions that wait.
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
    _task: Any
    """The task, if this object knows it already."""

    @property
    def depth(self) -> int:
        """How many invocations are above it."""
        raise NotImplementedError
