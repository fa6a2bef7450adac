"""Encode values as text, and arguments, results and exceptions as payloads."""

from pynenc.serializer.base_serializer import BaseSerializer, JsonSerializable
from pynenc.serializer.json_pickle_serializer import JsonPickleSerializer
from pynenc.serializer.json_serializer import JsonSerializer
from pynenc.serializer.payload_codec import PayloadCodec, PayloadContext
from pynenc.serializer.pickle_serializer import PickleSerializer

__all__ = [
    "BaseSerializer",
    "JsonPickleSerializer",
    "JsonSerializable",
    "JsonSerializer",
    "PayloadCodec",
    "PayloadContext",
    "PickleSerializer",
]
