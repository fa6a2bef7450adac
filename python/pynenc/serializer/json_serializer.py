"""Safe JSON, the default. Nothing that a payload says is ever imported or called."""

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
    """JSON text and plain JSON types. Arguments and results of tasks get their types back from the annotations.

    Invocations and tasks travel by their ids there, and come back as what they are where they are annotated.
    """

    tag = 1

    @staticmethod
    def serialize(obj: Any) -> str:
        """The JSON text of `obj`. `SerializationError` for what has none."""
        try:
            inspect_value(obj)
            return _ENCODER.encode(obj).decode()
        except (TypeError, ValueError, RecursionError, OverflowError) as error:
            raise SerializationError(f"a value of type {type(obj).__name__} has no JSON form: {error}") from brief(
                error
            )

    @staticmethod
    def deserialize(serialized_obj: str) -> Any:
        """Plain JSON types. `SerializationError` for what is no JSON."""
        try:
            return msgspec.json.decode(serialized_obj)
        except (ValueError, RecursionError) as error:
            raise SerializationError(f"this is no JSON: {error}") from brief(error)
