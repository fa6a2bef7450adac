"""Pickle: any Python object, and no safety at all. Only for a store that nobody else can write to."""

from __future__ import annotations

import base64
import pickle
from typing import Any

from pynenc.serializer.base_serializer import BaseSerializer


class PickleSerializer(BaseSerializer):
    """Objects as pickles (as text: base64). Whoever can write to the store can run code in every process of the app."""

    tag = 2

    @staticmethod
    def serialize(obj: Any) -> str:
        """The pickle as base64 text."""
        return base64.b64encode(pickle.dumps(obj)).decode()

    @staticmethod
    def deserialize(serialized_obj: str) -> Any:
        """The object of a pickle. Runs whatever the pickle says."""
        return pickle.loads(base64.b64decode(serialized_obj, validate=True))

    def to_bytes(self, obj: Any) -> bytes:
        """The pickle itself."""
        return pickle.dumps(obj)

    def from_bytes(self, body: bytes) -> Any:
        """The object of a pickle. Runs whatever the pickle says."""
        return pickle.loads(body)
