"""What a codec asks of the app and of the tasks whose values it encodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import logging

    from pynenc.conf.config_pynenc import ConfigPynenc
    from pynenc.conf.config_task import ConfigTask
    from pynenc.identifiers import TaskId
    from pynenc.serializer.base_serializer import BaseSerializer
    from pynenc.serializer.payload_codec import PayloadCodec


class CodecOwner(Protocol):
    """The app whose tasks exchange the values."""

    @property
    def app_id(self) -> str:
        """The id of the app."""

    @property
    def conf(self) -> ConfigPynenc:
        """The settings of the app."""

    @property
    def logger(self) -> logging.Logger:
        """The logger of the app."""

    @property
    def serializer(self) -> BaseSerializer:
        """The serializer of the app."""

    @property
    def payload_codec(self) -> PayloadCodec | None:
        """The instance that encodes payloads, if the app was given one."""

    def get_task(self, task_id: str, /) -> Any:
        """Return the registered task with this id."""


class CodecTask(Protocol):
    """The task whose arguments, result or exception is encoded."""

    @property
    def task_id(self) -> TaskId:
        """The id of the task."""

    @property
    def func(self) -> Callable[..., Any]:
        """The function. Its annotations say what values become."""

    @property
    def conf(self) -> ConfigTask:
        """The options of the task."""

    @property
    def retriable_exceptions(self) -> tuple[type[BaseException], ...]:
        """Exceptions of these classes come back as what they are."""
