"""Step 1, call: a task together with the arguments it is to run with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

import msgspec

from pynenc.arguments import Arguments
from pynenc.identifiers import CallId
from pynenc.types import Params, Result

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.task import Task


@dataclass(frozen=True)
class CallDTO:
    """A call as data."""

    call_id: CallId
    serialized_arguments: dict[str, str]


class Call(Generic[Params, Result]):
    """One call of a task. Does nothing by itself; `task(…)` makes one and submits it.

    Given `payload` instead of `arguments`, it decodes them when they are first looked at.
    """

    __slots__ = ("_arguments", "_payload", "_texts", "task")

    def __init__(
        self, task: Task[Params, Result], arguments: Arguments | None = None, *, payload: bytes | None = None
    ) -> None:
        self.task = task
        self._arguments = arguments
        self._payload = payload
        self._texts: dict[str, str] | None = None

    @property
    def app(self) -> Pynenc:
        """The app of the task."""
        return self.task.app

    @property
    def arguments(self) -> Arguments:
        """What is passed. `SerializationError` when stored arguments do not fit the task's annotations."""
        if self._arguments is None:
            kwargs = {} if self._payload is None else self.app._codec.decode_arguments(self.task, self._payload)
            self._arguments = Arguments(kwargs, self.task)
        return self._arguments

    @property
    def serialized_arguments(self) -> dict[str, str]:
        """The canonical text of each argument."""
        if self._texts is None:
            self._texts = self.app._codec.argument_texts(self.task, self.arguments.kwargs)
        return self._texts

    @property
    def args_id(self) -> str:
        """The id of the arguments alone."""
        return self.arguments.args_id

    @property
    def call_id(self) -> CallId:
        """The same for every call of this task with these arguments."""
        return CallId(self.task.task_id, self.args_id)

    def to_dto(self) -> CallDTO:
        """The call as data."""
        return CallDTO(self.call_id, dict(self.serialized_arguments))

    def to_json(self) -> str:
        """One JSON object: the id of the task and its encoded arguments."""
        payload = self._payload or self.app._codec.encode_arguments(self.task, self.arguments.kwargs)
        return msgspec.json.encode({"task_id": str(self.task.task_id), "payload": payload}).decode()

    @classmethod
    def from_json(cls, app: Pynenc, text: str) -> Call[Any, Any]:
        """The inverse of `to_json`. Raises `ValueError` for text that is none."""
        stored = msgspec.json.decode(text, type=_StoredCall)
        return Call(app.get_task(stored.task_id), payload=stored.payload)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self.app, self.to_json()))

    def __hash__(self) -> int:
        return hash(self.call_id)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Call):
            return NotImplemented
        return self.call_id == other.call_id

    def __str__(self) -> str:
        return f"Call(task={self.task}, arguments={self.arguments})"

    __repr__ = __str__


class _StoredCall(msgspec.Struct):
    task_id: str
    payload: bytes


def _restore(app: Pynenc, text: str) -> Call[Any, Any]:
    return Call.from_json(app, text)
