"""jsonpickle: JSON that names classes. As unsafe as pickle, and readable. Needs the package `jsonpickle`."""

from __future__ import annotations

import importlib
import json
from types import ModuleType
from typing import Any

from pynenc.exceptions import ConfigError, SerializationError
from pynenc.serializer.base_serializer import BaseSerializer


class JsonPickleSerializer(BaseSerializer):
    """Objects as jsonpickle text. Anyone who can write to the store can run code in every process of the app."""

    tag = 3

    @staticmethod
    def serialize(obj: Any) -> str:
        """Return the jsonpickle text of an object.

        Args:
            obj: the object.
        Returns:
            The text.
        Raises:
            ConfigError: the package `jsonpickle` is not installed.
        """
        # With `keys`, those that are not text keep their type.
        text: str = _jsonpickle().encode(obj, keys=True)
        return text

    @staticmethod
    def deserialize(serialized_obj: str) -> Any:
        """Return the object of a jsonpickle text. Imports and calls whatever the text names.

        Args:
            serialized_obj: the text.
        Returns:
            The object.
        Raises:
            SerializationError: a class that the text names cannot be imported here.
            ValueError: the text is not JSON.
            ConfigError: the package `jsonpickle` is not installed.
        """
        jsonpickle = _jsonpickle()
        # Not jsonpickle's own `decode`, which tries YAML where JSON fails.
        data = json.loads(serialized_obj)
        try:
            return jsonpickle.unpickler.Unpickler(keys=True, on_missing="error").restore(data)
        except jsonpickle.errors.ClassNotFoundError as error:
            # It derives from `BaseException`, so that no `except Exception` would see it.
            raise SerializationError(str(error)) from None


def _jsonpickle() -> ModuleType:
    try:
        # Asked for by this setting only, so only this setting pays for it.
        return importlib.import_module("jsonpickle")
    except ImportError as error:
        raise ConfigError(
            "serializer_cls is 'JsonPickleSerializer', which needs the package jsonpickle: install it, or use "
            "JsonSerializer (values are decoded by annotations) or PickleSerializer"
        ) from error
