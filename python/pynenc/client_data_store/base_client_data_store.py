"""`app.client_data_store`: values as text, and text as values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pynenc.conf.config_client_data_store import ConfigClientDataStore
from pynenc.exceptions import NotOfferedError, SerializationError

if TYPE_CHECKING:
    from pynenc._kernel.shapes import AppShape

REFERENCE = "__pynenc__client_data__:"
"""How a reference begins. No serialised text does: that of a string begins with its quote."""


class BaseClientDataStore:
    """Writes values as text with the serializer of the app, and reads them again. Works with every store.

    Arguments and results of any size (up to `max_payload_bytes`) travel with their invocation and are removed with it,
    so the text of a value is the whole value, never a reference. A subclass that defines `_store(key, text)`,
    `_retrieve(key)` and `_purge()` keeps long texts, and returns references in their place: texts of at least
    `min_size_to_cache` and (unless that is 0) at most `max_size_to_cache` characters. That concerns the methods of this
    class; the arguments of calls stay in their invocation.

    Args:
        app: the app.

    Example:
        >>> text = app.client_data_store.serialize({"id": 7})
        >>> text, app.client_data_store.deserialize(text)
        ('{"id":7}', {'id': 7})
    """

    def __init__(self, app: AppShape) -> None:
        self.app = app

    @cached_property
    def conf(self) -> ConfigClientDataStore:
        """The settings of this component."""
        return ConfigClientDataStore(self.app.config_values, self.app.config_filepath)

    def serialize(self, obj: Any, disable_cache: bool = False) -> str:
        """Return the text of a value, or the reference of a kept text. Warns in the log above `warn_threshold`.

        Args:
            obj: the value.
            disable_cache: never return a reference.
        Returns:
            The text or the reference.
        Raises:
            SerializationError: the value has no text.
        """
        text = self.app.serializer.serialize(obj)
        if 0 < self.conf.warn_threshold < len(text):
            self.app.logger.warning(
                "a value of type %s became a text of %d characters, more than warn_threshold (%d)",
                type(obj).__name__,
                len(text),
                self.conf.warn_threshold,
            )
        if disable_cache or not self._is_for_keeping(text):
            return text
        key = REFERENCE + hashlib.sha256(text.encode()).hexdigest()
        self._store(key, text)
        return key

    def deserialize(self, key_or_text: str) -> Any:
        """Return the value of a text or of a reference, a new object each time.

        Args:
            key_or_text: what `serialize` returned.
        Returns:
            The value.
        Raises:
            NotOfferedError: it is a reference, and this class keeps no texts.
        """
        return self.app.serializer.deserialize(
            self._retrieve(key_or_text) if self.is_reference(key_or_text) else key_or_text
        )

    def resolve(self, key_or_text: str) -> Any:
        """Return the value of a text or of a reference, as `deserialize`.

        Args:
            key_or_text: what `serialize` returned.
        Returns:
            The value.
        """
        return self.deserialize(key_or_text)

    def is_reference(self, text: str) -> bool:
        """Return whether a text is the reference of a kept text rather than a value.

        Args:
            text: what `serialize` returned.
        Returns:
            True for a reference.
        """
        return text.startswith(REFERENCE)

    def serialize_arguments(self, kwargs: Mapping[str, Any], disable_cache_args: Iterable[str] = ()) -> dict[str, str]:
        """Return the text of each argument.

        Args:
            kwargs: the arguments by name.
            disable_cache_args: names that never become references; `"*"` means all.
        Returns:
            The texts by name.
        Raises:
            SerializationError: an argument has no text; names it.
        """
        plain = set(disable_cache_args)
        texts: dict[str, str] = {}
        for name, value in kwargs.items():
            try:
                texts[name] = self.serialize(value, disable_cache=bool(plain & {name, "*"}))
            except Exception as error:
                raise SerializationError(f"argument {name!r} cannot be serialised: {error}") from error
        return texts

    def deserialize_arguments(self, serialized: Mapping[str, str]) -> dict[str, Any]:
        """Return the value of each argument.

        Args:
            serialized: what `serialize_arguments` returned.
        Returns:
            The values by name.
        Raises:
            SerializationError: an argument cannot be read; names it.
        """
        values: dict[str, Any] = {}
        for name, text in serialized.items():
            try:
                values[name] = self.deserialize(text)
            except Exception as error:
                raise SerializationError(f"argument {name!r} cannot be read: {error}") from error
        return values

    def purge(self) -> None:
        """Remove the texts that a subclass keeps. This class keeps none."""
        if self._keeps():
            self._purge()

    # -- for a subclass that keeps long texts ------------------------------------------------------------------------

    def _store(self, key: str, text: str) -> None:
        raise self._keeps_nothing()

    def _retrieve(self, key: str) -> str:
        """Raise the error that there is no such text."""
        raise self._keeps_nothing()

    def _purge(self) -> None:
        raise self._keeps_nothing()

    def _keeps(self) -> bool:
        return type(self)._retrieve is not BaseClientDataStore._retrieve

    def _is_for_keeping(self, text: str) -> bool:
        conf = self.conf
        if conf.disable_client_data_store or not self._keeps() or len(text) < conf.min_size_to_cache:
            return False
        return not conf.max_size_to_cache or len(text) <= conf.max_size_to_cache

    def _keeps_nothing(self) -> NotOfferedError:
        return NotOfferedError(
            f"{type(self).__name__} keeps no texts: values travel with their invocation. References are only there "
            "with a subclass that defines _store, _retrieve and _purge (client_data_store_cls)."
        )
