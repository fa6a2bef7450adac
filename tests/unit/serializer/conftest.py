"""Encoding and decoding without a store: a codec, and tasks that are nothing but their annotations."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pynenc import Pynenc
from pynenc.identifiers import TaskId
from pynenc.serializer.codec import Codec
from pynenc.util.signature import CallSignature

UNANNOTATED = object()


class Coder:
    """Encodes and decodes values as arguments and as results."""

    unannotated = UNANNOTATED

    def __init__(self, **settings: Any) -> None:
        self.app = Pynenc("coder", settings)
        self.codec = Codec(self.app)
        # Create lazily created objects now: see the test that no payload causes an import.
        _ = self.app.logger

    def task(
        self, annotation: Any = UNANNOTATED, func: Any = None, retry_for: tuple[Any, ...] = (), lossy: bool = False
    ) -> Any:
        """The part of a task that the codec uses."""
        if func is None:

            def body(value): ...  # type: ignore[no-untyped-def]

            body.__annotations__ = {} if annotation is UNANNOTATED else {"value": annotation, "return": annotation}
            func = body
        return SimpleNamespace(
            task_id=TaskId("shop.jobs", "pay"),
            func=func,
            retriable_exceptions=retry_for,
            conf=SimpleNamespace(lossy=lossy),
            _signature=CallSignature(func),
        )

    def as_argument(self, annotation: Any, value: Any, lossy: bool = False) -> Any:
        task = self.task(annotation, lossy=lossy)
        arguments = self.codec.decode_arguments(task, self.codec.encode_arguments(task, {"value": value}))
        assert list(arguments) == ["value"]
        return arguments["value"]

    def as_result(self, annotation: Any, value: Any, lossy: bool = False) -> Any:
        task = self.task(annotation, lossy=lossy)
        return self.codec.decode_result(task, self.codec.encode_result(task, value))

    def as_exception(self, raised: BaseException, func: Any, retry_for: tuple[Any, ...] = ()) -> BaseException:
        """Raise and catch `raised`, encode it, and return the decoded exception."""
        task = self.task(func=func, retry_for=retry_for)
        try:
            raise raised
        except BaseException as caught:
            payload = self.codec.encode_exception(task, caught)
        return self.codec.decode_exception(task, payload)


@pytest.fixture
def coder() -> Coder:
    """With the default serializer."""
    return Coder()


@pytest.fixture
def coder_of() -> type[Coder]:
    """Create a coder with other settings."""
    return Coder
