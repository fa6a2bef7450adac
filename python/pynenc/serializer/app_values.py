"""Tasks and invocations among the values that travel. Their classes register here when they are defined.

The serializer stands below both: it knows only what they have registered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pynenc.serializer.owner import CodecOwner

_tasks: type[Any] | None = None
_invocations: type[Any] | None = None
_decode_invocation: Callable[[Any, type[Any], str], Any] | None = None


def register_tasks(cls: type[Any]) -> None:
    """Make `cls` the class of tasks."""
    global _tasks
    _tasks = cls


def register_invocations(cls: type[Any], decode: Callable[[Any, type[Any], str], Any]) -> None:
    """Make `cls` the base class of invocations.

    Args:
        decode: returns the invocation of an app with this id, given the app, the annotated class and the id. Raises
            `TypeError` for a class that it cannot make.
    """
    global _invocations, _decode_invocation
    _invocations, _decode_invocation = cls, decode


def is_task(kind: type[Any]) -> bool:
    """Return whether this is a class of tasks."""
    return _tasks is not None and issubclass(kind, _tasks)


def is_invocation_class(kind: type[Any]) -> bool:
    """Return whether this is a class of invocations."""
    return _invocations is not None and issubclass(kind, _invocations)


def decode_invocation(app: CodecOwner | None, kind: type[Any], invocation_id: str) -> Any:
    """Return the invocation with this id. `TypeError` without an app, or if it is none of class `kind`."""
    if app is None or _decode_invocation is None:
        raise TypeError(f"invocations cannot be decoded as {kind.__qualname__}; annotate DistributedInvocation")
    return _decode_invocation(app, kind, invocation_id)
