"""What rooms below an app or a task know of them. `Pynenc` and `Task` fit, and more objects may."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pynenc._kernel.runtime import HasRuntime

if TYPE_CHECKING:
    import logging

    from pynenc.conf.body_limits import Limits
    from pynenc.conf.config_pynenc import ConfigPynenc
    from pynenc.conf.config_task import ConfigTask
    from pynenc.identifiers import TaskId
    from pynenc.serializer.base_serializer import BaseSerializer
    from pynenc.serializer.payload_codec import PayloadCodec
    from pynenc.util.signature import CallSignature


class AppShape(HasRuntime, Protocol):
    """An app."""

    @property
    def app_id(self) -> str:
        """The id of the app."""

    @property
    def conf(self) -> ConfigPynenc:
        """The settings of the app."""

    @property
    def config_values(self) -> dict[str, Any]:
        """Settings that the app was given."""

    @property
    def config_filepath(self) -> str | None:
        """The configuration file that the app was given."""

    @property
    def logger(self) -> logging.Logger:
        """The logger of the app."""

    @property
    def serializer(self) -> BaseSerializer:
        """The serializer of the app."""

    @property
    def tasks(self) -> dict[TaskId, Any]:
        """The registered tasks, by id."""

    @property
    def runner(self) -> Any:
        """The runner of the app."""

    @property
    def payload_codec(self) -> PayloadCodec | None:
        """The instance that encodes payloads, if the app was given one."""

    @payload_codec.setter
    def payload_codec(self, codec: PayloadCodec | None) -> None: ...

    def get_task(self, task_id: str, /) -> Any:
        """Return the registered task with this id. Raises `TaskError` if there is none."""


class RunnerShape(Protocol):
    """A runner."""

    @property
    def app(self) -> Any:
        """The app of the runner."""

    @property
    def logger(self) -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
        """The log of the runner."""


class BodyTraits(NamedTuple):
    """What running a body needs to know of its task."""

    spread: Callable[[dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]]
    """Bound arguments to positional and keyword arguments of the function."""
    limits: Limits | None
    """The time limits of its bodies."""
    is_coroutine: bool
    """Whether the function is a coroutine function."""


class TaskShape(HasRuntime, Protocol):
    """A task."""

    _signature: CallSignature

    @property
    def _traits(self) -> BodyTraits:
        """What running a body needs to know of the task."""

    @property
    def _decodes_quickly(self) -> bool:
        """Whether small arguments are decoded without code of the user."""

    @property
    def app(self) -> Any:
        """The app of the task."""

    @property
    def task_id(self) -> TaskId:
        """The id of the task."""

    @property
    def func(self) -> Callable[..., Any]:
        """The function."""

    @property
    def conf(self) -> ConfigTask:
        """The options of the task."""

    @property
    def retriable_exceptions(self) -> tuple[type[BaseException], ...]:
        """Exceptions that are worth a retry."""

    @property
    def broker_queue(self) -> str:
        """The queue that its invocations wait in."""

    @property
    def broker_priority(self) -> float:
        """The priority of its invocations."""


def traits_of(task: TaskShape) -> BodyTraits:
    """Return what running a body needs to know of its task; made once per task."""
    return task._traits


def decodes_quickly(task: TaskShape) -> bool:
    """Return whether small arguments are decoded without code of the user, so that it needs no supervision."""
    return task._decodes_quickly


def signature_of(task: TaskShape) -> CallSignature:
    """Return the signature of a task, which binds and spreads its arguments."""
    return task._signature
