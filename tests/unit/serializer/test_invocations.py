"""Invocations as arguments: of the own app where they are annotated, refused elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from support.jobs import shapes

from pynenc import Pynenc
from pynenc.exceptions import SerializationError
from pynenc.invocation import DistributedInvocation


class Shape:
    """A class without fields."""


def test_a_forgotten_await_is_named_as_that(coder: Any) -> None:
    app = coder.app
    invocation: Any = DistributedInvocation(app, "01a22f2e-cbe2-7000-b370-4ef5e29202c5", task=app.task(shapes.calm))
    for annotation in (int, list[int], dict[str, int], Shape, coder.unannotated):
        wrapped = {"a": invocation} if annotation == dict[str, int] else invocation
        with pytest.raises(SerializationError, match="forgotten await") as raised:
            coder.as_argument(annotation, wrapped)
        assert "'value'" in str(raised.value)
    coroutine = _later()
    with pytest.raises(SerializationError, match=r"coroutine _later: a forgotten await\?"):
        coder.as_argument(int, coroutine)
    coroutine.close()
    assert coder.as_argument(DistributedInvocation[Any, Any], invocation) == invocation


async def _later() -> int:
    return 1


def test_an_invocation_of_another_app_is_refused(coder: Any) -> None:
    other = DistributedInvocation(Pynenc("another"), "01a22f2e-cbe2-7000-b370-4ef5e29202c5")
    with pytest.raises(SerializationError, match=r"of app 'another'.* app 'coder'"):
        coder.as_argument(DistributedInvocation[Any, Any], other)
