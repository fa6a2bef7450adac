"""Step 1, call: a task together with the arguments of one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

import msgspec

from pynenc._kernel.runtime import runtime_of
from pynenc._kernel.shapes import signature_of
from pynenc.arguments import Arguments, hash_texts
from pynenc.conf.config_task import ConcurrencyControlType
from pynenc.identifiers import CallId
from pynenc.types import Params, Result

if TYPE_CHECKING:
    from pynenc._kernel.shapes import AppShape
    from pynenc.task import Task


def compute_args_id(serialized_arguments: Mapping[str, str]) -> str:
    """Return the id of arguments, given their texts.

    Args:
        serialized_arguments: the texts by name, as `Call.serialized_arguments`.
    Returns:
        `"no_args"`, or a hash.
    """
    return hash_texts(dict(serialized_arguments))


@dataclass(frozen=True)
class CallDTO:
    """A call as data."""

    call_id: CallId
    """The id of the call."""
    serialized_arguments: dict[str, str]
    """The canonical text of each argument, by name."""


class Call(Generic[Params, Result]):
    """One call of a task. Making one does nothing else: `task(…)` submits a call.

    Args:
        task: the task.
        arguments: its arguments.
        payload: its encoded arguments instead, which are decoded when they are first read.
        invocation_id: the invocation that the payload is stored for; None for a payload from `to_json`.

    Example:
        >>> call = Call(add, add.args(1, 2))
        >>> call.serialized_arguments, call.call_id.task_id
        ({'x': '1', 'y': '2'}, 'shop.add')
    """

    __slots__ = ("_arguments", "_invocation_id", "_payload", "_texts", "task")

    def __init__(
        self,
        task: Task[Params, Result],
        arguments: Arguments | None = None,
        *,
        payload: bytes | None = None,
        invocation_id: str | None = None,
    ) -> None:
        self.task = task
        self._arguments = arguments
        self._payload = payload
        self._invocation_id = invocation_id
        self._texts: dict[str, str] | None = None

    @property
    def app(self) -> AppShape:
        """The app of the task."""
        return self.task.app

    @property
    def arguments(self) -> Arguments:
        """The arguments. Raises `SerializationError` if stored arguments do not fit the annotations of the task."""
        if self._arguments is None:
            payload = self._plain_payload()
            kwargs = {} if payload is None else runtime_of(self.app).codec.read_arguments(self.task, payload)
            self._arguments = Arguments.of_bound(kwargs, self.task)
        return self._arguments

    @property
    def serialized_arguments(self) -> dict[str, str]:
        """The canonical text of each argument, by name."""
        if self._texts is None:
            self._texts = runtime_of(self.app).codec.argument_texts(self.task, self.arguments.kwargs)
        return self._texts

    @property
    def serialized_args_for_concurrency_control(self) -> dict[str, str] | None:
        """The texts by which concurrency control compares calls; None if it compares no arguments.

        The texts are those of the mode for running, or of the mode for registration if that for running is disabled.
        """
        conf = self.task.conf
        mode = conf.running_concurrency
        if mode is ConcurrencyControlType.DISABLED:
            mode = conf.registration_concurrency
        if mode is ConcurrencyControlType.ARGUMENTS:
            return dict(self.serialized_arguments)
        if mode is ConcurrencyControlType.KEYS:
            return {name: self.serialized_arguments[name] for name in conf.key_arguments}
        return None

    @property
    def args_id(self) -> str:
        """The id of the arguments."""
        return self.arguments.args_id

    @property
    def call_id(self) -> CallId:
        """The id of the call: equal for every call of this task with equal arguments."""
        return CallId(self.task.task_id, self.args_id)

    def to_dto(self) -> CallDTO:
        """Return the call as data.

        Returns:
            Its id, and the text of each argument.
        """
        return CallDTO(self.call_id, dict(self.serialized_arguments))

    def to_json(self) -> str:
        """Return the call as text.

        Returns:
            One JSON object: the id of the task and the encoded arguments.
        """
        payload = self._plain_payload() or runtime_of(self.app).codec.write_arguments(self.task, self.arguments.passed)
        return msgspec.json.encode({"task_id": str(self.task.task_id), "payload": payload}).decode()

    def _plain_payload(self) -> bytes | None:
        """The encoded arguments without signature or `PayloadCodec`."""
        if self._payload is None or self._invocation_id is None:
            return self._payload
        return runtime_of(self.app).codec.open_arguments(self.task, self._payload, self._invocation_id)

    @classmethod
    def from_json(cls, app: AppShape, text: str) -> Call[Any, Any]:
        """Read a call.

        Args:
            app: the app of its task.
            text: what `to_json` returned.
        Returns:
            The call.
        Raises:
            ValueError: the text is no call.
            TaskError: this process does not know the task.
        """
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


class LazyCall(Call[Params, Result]):
    """A call whose arguments are given as texts, which are decoded when they are first read.

    Args:
        task: the task.
        serialized_arguments: the texts by name, as `Call.serialized_arguments`. An argument that is left out has its
            default.
    """

    __slots__ = ()

    def __init__(self, task: Task[Params, Result], serialized_arguments: Mapping[str, str]) -> None:
        super().__init__(task)
        self._texts = dict(serialized_arguments)

    @property
    def arguments(self) -> Arguments:
        """The arguments.

        Raises:
            SerializationError: a text does not fit the annotation of its parameter.
            TypeError: a parameter without a default is missing.
        """
        if self._arguments is None:
            self._arguments = self._bound(runtime_of(self.app).codec.decode_texts(self.task, self._texts or {}))
        return self._arguments

    def _bound(self, kwargs: dict[str, Any]) -> Arguments:
        args, kwargs = signature_of(self.task).spread(kwargs)
        bind: Any = signature_of(self.task).bind
        return Arguments.of_bound(bind(*args, **kwargs), self.task)


class PreSerializedCall(LazyCall[Params, Result]):
    """A call with some arguments as texts, for example those that many calls have in common.

    Args:
        task: the task.
        other_args: arguments as values, by name; they win over a text with the same name.
        pre_serialized_args: arguments as texts, by name.
    """

    __slots__ = ("_others",)

    def __init__(
        self, task: Task[Params, Result], other_args: Mapping[str, Any], pre_serialized_args: Mapping[str, str]
    ) -> None:
        super().__init__(task, {name: text for name, text in pre_serialized_args.items() if name not in other_args})
        self._others = dict(other_args)

    @property
    def arguments(self) -> Arguments:
        """The arguments.

        Raises:
            SerializationError: a text does not fit the annotation of its parameter.
            TypeError: a parameter without a default is missing.
        """
        if self._arguments is None:
            decoded = runtime_of(self.app).codec.decode_texts(self.task, self._texts or {})
            self._arguments = self._bound({**decoded, **self._others})
        return self._arguments

    @property
    def serialized_arguments(self) -> dict[str, str]:
        """The text of each argument, by name. Raises `SerializationError` for a value without a text."""
        return {**(self._texts or {}), **runtime_of(self.app).codec.argument_texts(self.task, self._others)}


class _StoredCall(msgspec.Struct):
    task_id: str
    payload: bytes


def _restore(app: AppShape, text: str) -> Call[Any, Any]:
    return Call.from_json(app, text)
