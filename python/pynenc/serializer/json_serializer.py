"""Safe JSON, the default. No name in a payload is ever imported or called."""

from __future__ import annotations

from typing import Any

import msgspec

from pynenc.exceptions import SerializationError
from pynenc.serializer.base_serializer import BaseSerializer
from pynenc.serializer.base_serializer import JsonSerializable as JsonSerializable
from pynenc.serializer.checks import inspect_value
from pynenc.serializer.hooks import encode_other
from pynenc.util.texts import brief

_ENCODER = msgspec.json.Encoder(enc_hook=encode_other)


class JsonSerializer(BaseSerializer):
    """JSON text for values. Arguments and results of tasks get their types back from the annotations of the task.

    Invocations and tasks travel by their ids, and come back as what they are where they are annotated.

    Example:
        >>> JsonSerializer.serialize({"ids": (1, 2)}), JsonSerializer.deserialize('{"ids":[1,2]}')
        ('{"ids":[1,2]}', {'ids': [1, 2]})
    """

    tag = 1

    @staticmethod
    def serialize(obj: Any) -> str:
        """Return the JSON text of a value.

        Args:
            obj: the value.
        Returns:
            The text.
        Raises:
            SerializationError: the value has no JSON form.
        """
        try:
            inspect_value(obj)
            return _ENCODER.encode(obj).decode()
        except (TypeError, ValueError, RecursionError, OverflowError) as error:
            raise SerializationError(f"a value of type {type(obj).__name__} has no JSON form: {error}") from brief(
                error
            )

    @staticmethod
    def deserialize(serialized_obj: str) -> Any:
        """Return the value of a JSON text as plain JSON types.

        Args:
            serialized_obj: the text.
        Returns:
            The value.
        Raises:
            SerializationError: the text is not JSON.
        """
        try:
            return msgspec.json.decode(serialized_obj)
        except (ValueError, RecursionError) as error:
            raise SerializationError(f"this is no JSON: {error}") from brief(error)
