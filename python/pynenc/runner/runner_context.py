"""Who runs: the identity of a runner, in a form that can be stored and sent."""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pynenc.runner.base_runner import BaseRunner


@dataclass(frozen=True)
class RunnerContext:
    """Identity of one runner, or of one of its children."""

    runner_cls: str
    """Name of the class of the runner."""
    runner_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    parent_ctx: RunnerContext | None = None
    """The runner that started this one."""
    pid: int = field(default_factory=os.getpid)
    hostname: str = field(default_factory=socket.gethostname)
    thread_id: int = field(default_factory=threading.get_ident)

    @property
    def root_runner_id(self) -> str:
        """Id of the outermost runner: this one's own, if nothing started it."""
        context = self
        while context.parent_ctx is not None:
            context = context.parent_ctx
        return context.runner_id

    @property
    def root_runner_cls(self) -> str:
        """Name of the class of the outermost runner."""
        context = self
        while context.parent_ctx is not None:
            context = context.parent_ctx
        return context.runner_cls

    @classmethod
    def from_runner(cls, runner: BaseRunner) -> RunnerContext:
        """The identity of a runner, in the calling process and thread."""
        return cls(type(runner).__name__, str(runner.runner_id))

    def new_child_context(self, runner_cls: str | None = None, runner_id: str | None = None) -> RunnerContext:
        """A context for a runner that this one starts, in the calling process and thread."""
        return RunnerContext(
            runner_cls=runner_cls or self.runner_cls,
            runner_id=runner_id or str(uuid.uuid4()),
            parent_ctx=self,
        )

    def to_json(self) -> str:
        """One JSON object, parents nested."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> RunnerContext:
        """The inverse of `to_json`. Raises `ValueError` for text that is none."""
        try:
            return cls._from_dict(json.loads(text))
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a runner context: {text[:200]!r} ({error})") from error

    @classmethod
    def _from_dict(cls, data: dict[str, Any]) -> RunnerContext:
        parent = data["parent_ctx"]
        return cls(**{**data, "parent_ctx": None if parent is None else cls._from_dict(parent)})
