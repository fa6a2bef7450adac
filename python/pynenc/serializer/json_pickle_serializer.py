"""jsonpickle: JSON that names classes. As unsafe as pickle, and readable. Needs the package `jsonpickle`."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from pynenc.exceptions import ConfigError
from pynenc.serializer.base_serializer import BaseSerializer


class JsonPickleSerializer(BaseSerializer):
    """Objects as jsonpickle text. Whoever can write to the store can run code in every process of the app."""

    tag = 3

    @staticmethod
    def serialize(obj: Any) -> str:
        """The jsonpickle text of `obj`."""
        text: str = _jsonpickle().encode(obj)
        return text

    @staticmethod
    def deserialize(serialized_obj: str) -> Any:
        """The object of a jsonpickle text. Imports and calls whatever the text says."""
        return _jsonpickle().decode(serialized_obj)


def _jsonpickle() -> ModuleType:
    try:
        # Asked for by this setting only, so only this setting pays for it.
        return importlib.import_module("jsonpickle")
    except ImportError as error:
        raise ConfigError(
            "serializer_cls is 'JsonPickleSerializer', which needs the package jsonpickle: install it, or use "
            "JsonSerializer (values are decoded by annotations) or PickleSerializer"
        ) from error
