"""The identity of a runner, in a form that can be stored and sent."""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol


class HasRunnerId(Protocol):
    """A runner."""

    @property
    def runner_id(self) -> str:
        """The id of the runner."""


@dataclass(frozen=True)
class RunnerContext:
    """The identity of a runner, or of a child of it."""

    runner_cls: str
    """The name of the class of the runner."""
    runner_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    """The id of the runner; a new UUID if none is given."""
    parent_ctx: RunnerContext | None = None
    """The runner that started this runner; None for the outermost runner."""
    pid: int = field(default_factory=os.getpid)
    """The id of the process."""
    hostname: str = field(default_factory=socket.gethostname)
    """The name of the machine."""
    thread_id: int = field(default_factory=threading.get_ident)
    """The id of the thread that created this object."""

    @property
    def root_runner_id(self) -> str:
        """The id of the outermost runner: its own id, if nothing started it."""
        context = self
        while context.parent_ctx is not None:
            context = context.parent_ctx
        return context.runner_id

    @property
    def root_runner_cls(self) -> str:
        """The name of the class of the outermost runner."""
        context = self
        while context.parent_ctx is not None:
            context = context.parent_ctx
        return context.runner_cls

    @classmethod
    def from_runner(cls, runner: HasRunnerId) -> RunnerContext:
        """Return the identity of a runner, in the calling process and thread.

        Args:
            runner: the runner.
        Returns:
            The identity.
        """
        return cls(type(runner).__name__, str(runner.runner_id))

    def new_child_context(self, runner_cls: str | None = None, runner_id: str | None = None) -> RunnerContext:
        """Return the identity of a runner that this one starts, in the calling process and thread.

        Args:
            runner_cls: the name of its class; None means the class of this one.
            runner_id: its id; None means a new UUID.
        Returns:
            The identity, with this one as its parent.
        """
        return RunnerContext(
            runner_cls=runner_cls or self.runner_cls,
            runner_id=runner_id or str(uuid.uuid4()),
            parent_ctx=self,
        )

    def to_json(self) -> str:
        """Return the identity as text.

        Returns:
            One JSON object, parents nested.
        """
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> RunnerContext:
        """Read an identity.

        Args:
            text: what `to_json` returned.
        Returns:
            The identity.
        Raises:
            ValueError: the text is no identity.

        Example:
            >>> context = RunnerContext("ThreadRunner", "r1").new_child_context(runner_id="r2")
            >>> RunnerContext.from_json(context.to_json()).root_runner_id
            'r1'
        """
        try:
            return cls._from_dict(json.loads(text))
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a runner context: {text[:200]!r} ({error})") from error

    @classmethod
    def _from_dict(cls, data: dict[str, Any]) -> RunnerContext:
        parent = data["parent_ctx"]
        return cls(**{**data, "parent_ctx": None if parent is None else cls._from_dict(parent)})
