"""Pickle: any Python object, without safety. Only for a store that nobody else can write to."""

from __future__ import annotations

import base64
import pickle
from typing import Any

from pynenc.serializer.base_serializer import BaseSerializer


class PickleSerializer(BaseSerializer):
    """Objects as pickles (as text: base64). Anyone who can write to the store can run code in every process of the app.

    Example:
        >>> PickleSerializer.deserialize(PickleSerializer.serialize({1, 2}))
        {1, 2}
    """

    tag = 2

    @staticmethod
    def serialize(obj: Any) -> str:
        """Return the pickle of an object as base64 text.

        Args:
            obj: the object.
        Returns:
            The text.
        Raises:
            Exception: as `pickle.dumps` raises.
        """
        return base64.b64encode(pickle.dumps(obj)).decode()

    @staticmethod
    def deserialize(serialized_obj: str) -> Any:
        """Return the object of a pickle. Runs whatever the pickle says.

        Args:
            serialized_obj: the pickle as base64 text.
        Returns:
            The object.
        Raises:
            Exception: as `pickle.loads` raises.
        """
        return pickle.loads(base64.b64decode(serialized_obj, validate=True))

    def to_bytes(self, obj: Any) -> bytes:
        """Return the pickle of an object.

        Args:
            obj: the object.
        Returns:
            The pickle.
        """
        return pickle.dumps(obj)

    def from_bytes(self, body: bytes) -> Any:
        """Return the object of a pickle. Runs whatever the pickle says.

        Args:
            body: the pickle.
        Returns:
            The object.
        """
        return pickle.loads(body)
