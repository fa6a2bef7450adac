"""Serializers of users: with methods of an instance, or static."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.jobs import shapes

from pynenc import Pynenc
from pynenc.invocation import InvocationStatus
from pynenc.serializer import BaseSerializer


class CountingSerializer(BaseSerializer):
    """Counts in its instance, so it works only if the app uses a single instance."""

    def __init__(self) -> None:
        self.written = 0

    def serialize(self, obj: Any) -> str:
        self.written += 1
        return json.dumps([self.written, obj])

    def deserialize(self, serialized_obj: str) -> Any:
        assert self.written
        return json.loads(serialized_obj)[1]


class StaticSerializer(BaseSerializer):
    @staticmethod
    def serialize(obj: Any) -> str:
        return json.dumps({"it": obj})

    @staticmethod
    def deserialize(serialized_obj: str) -> Any:
        return json.loads(serialized_obj)["it"]


@pytest.mark.parametrize("cls", [CountingSerializer, StaticSerializer])
def test_arguments_and_results_travel_with_a_serializer_of_ones_own(cls: type[BaseSerializer]) -> None:
    app = Pynenc(f"own-{cls.__name__}", {"store_url": "memory://", "serializer_cls": cls.__name__})
    task = app.task(shapes.dated)
    invocation: Any = task("2026", 2)  # type: ignore[arg-type]
    [claimed] = app.orchestrator.get_invocations_to_run(1)
    claimed.run()
    assert invocation.status is InvocationStatus.SUCCESS
    assert invocation.result == "20262026"
    assert app.serializer.deserialize(app.serializer.serialize([1])) == [1]
    assert app.serializer is app._runtime.codec.serializer
    assert app.client_data_store.deserialize(app.client_data_store.serialize({"a": 1})) == {"a": 1}
