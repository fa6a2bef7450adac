"""What every serializer is: a pair of functions between objects and text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable


class BaseSerializer(ABC):  # noqa: B024 - its abstract methods are below
    """Subclass it to bring a format of your own; `serializer_cls` selects an imported subclass by its name.

    An app makes one instance, without arguments; `serialize` and `deserialize` may be methods of it or static.
    A serializer of your own carries whole objects, so what comes back has the type it gives it. Only `JsonSerializer`
    decodes by the annotations of the task.
    """

    tag: ClassVar[int] = 255
    """First byte of every payload, by which a payload of another serializer is recognised."""

    if TYPE_CHECKING:
        # As attributes: type checkers refuse a static method in the place of one of instances, and the reverse.
        serialize: Callable[[Any], str]
        deserialize: Callable[[str], Any]
    else:

        @staticmethod
        @abstractmethod
        def serialize(obj: Any) -> str:
            """The text of `obj`. Raises whatever it likes for what it cannot write."""

        @staticmethod
        @abstractmethod
        def deserialize(serialized_obj: str) -> Any:
            """The object that `serialize` has written."""

    def to_bytes(self, obj: Any) -> bytes:
        """The body of a payload; override it where text would be a detour."""
        return self.serialize(obj).encode()

    def from_bytes(self, body: bytes) -> Any:
        """The inverse of `to_bytes`."""
        return self.deserialize(body.decode())


@runtime_checkable
class JsonSerializable(Protocol):
    """A class that says itself what its objects are in JSON. Annotated with that class, they come back."""

    def to_json(self) -> Any:
        """It as plain JSON types."""

    @classmethod
    def from_json(cls, data: Any) -> Any:
        """The object of which `to_json` returned `data`."""
