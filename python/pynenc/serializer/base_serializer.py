"""The interface of serializers: functions between objects and text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable


class BaseSerializer(ABC):  # noqa: B024 - its abstract methods are below
    """A format for values.

    Subclass it for a format of your own; `serializer_cls` selects an imported subclass by its name.

    An app makes one instance, without arguments. `serialize` and `deserialize` may be static or methods of the
    instance; both are called from several threads. A serializer of your own carries whole objects, so it decides the
    types of what comes back. Only `JsonSerializer` decodes by the annotations of the task.

    Example:
        >>> class ReprSerializer(BaseSerializer):
        ...     serialize = staticmethod(repr)
        ...     deserialize = staticmethod(ast.literal_eval)
        >>> ReprSerializer().from_bytes(ReprSerializer().to_bytes((1, {2})))
        (1, {2})
    """

    tag: ClassVar[int] = 255
    """The first byte of every payload, by which a process recognises a payload of another serializer."""

    if TYPE_CHECKING:
        # As attributes: type checkers refuse a static method in the place of one of instances, and the reverse.
        serialize: Callable[[Any], str]
        deserialize: Callable[[str], Any]
    else:

        @staticmethod
        @abstractmethod
        def serialize(obj: Any) -> str:
            """Return the text of a value.

            Args:
                obj: the value.
            Returns:
                The text.
            Raises:
                Exception: of any class, for a value without a text.
            """

        @staticmethod
        @abstractmethod
        def deserialize(serialized_obj: str) -> Any:
            """Return the value of a text.

            Args:
                serialized_obj: what `serialize` returned.
            Returns:
                The value.
            Raises:
                Exception: of any class, for any other text.
            """

    def to_bytes(self, obj: Any) -> bytes:
        """Return the body of a payload. Override it where the format is not text.

        Args:
            obj: the value.
        Returns:
            The text of the value in UTF-8.
        """
        return self.serialize(obj).encode()

    def from_bytes(self, body: bytes) -> Any:
        """Return the value of the body of a payload.

        Args:
            body: what `to_bytes` returned.
        Returns:
            The value.
        """
        return self.deserialize(body.decode())


@runtime_checkable
class JsonSerializable(Protocol):
    """The interface of a class that defines the JSON form of its objects. They come back where they are annotated."""

    def to_json(self) -> Any:
        """Return the object as plain JSON types.

        Returns:
            A dict, a list, text, a number, a boolean or None.
        """

    @classmethod
    def from_json(cls, data: Any) -> Any:
        """Make the object again.

        Args:
            data: what `to_json` returned, after a way through JSON.
        Returns:
            The object.
        """
