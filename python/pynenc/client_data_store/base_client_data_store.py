"""`app.client_data_store`: values as text that can be handed around, and back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pynenc.conf.config_client_data_store import ConfigClientDataStore
from pynenc.exceptions import NotOfferedError, SerializationError

if TYPE_CHECKING:
    from pynenc.app import Pynenc

REFERENCE = "__pynenc__client_data__:"
"""How a reference begins. No serialised text does: that of a string begins with its quote."""


class BaseClientDataStore:
    """Text for values, written by the serializer of the app; works with every store, for it keeps nothing there.

    Arguments and results of any size (up to `max_payload_bytes`) travel with their invocation and are removed with it,
    so the text of a value is the whole value, never a reference. A subclass that defines `_store(key, text)`,
    `_retrieve(key)` and `_purge()` gets the long texts to keep, and its references in their place: those of at least
    `min_size_to_cache` and (unless that is 0) at most `max_size_to_cache` characters. That is for the methods here;
    the arguments of calls stay in their invocation.
    """

    def __init__(self, app: Pynenc) -> None:
        self.app = app

    @cached_property
    def conf(self) -> ConfigClientDataStore:
        """Settings of this component."""
        return ConfigClientDataStore(self.app.config_values, self.app.config_filepath)

    def serialize(self, obj: Any, disable_cache: bool = False) -> str:
        """The text of `obj`; with `disable_cache` never a reference. `SerializationError` for what has no text."""
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
        """The value of what `serialize` returned. Each call makes a new object."""
        return self.app.serializer.deserialize(
            self._retrieve(key_or_text) if self.is_reference(key_or_text) else key_or_text
        )

    def resolve(self, key_or_text: str) -> Any:
        """`deserialize`, under its other name."""
        return self.deserialize(key_or_text)

    def is_reference(self, text: str) -> bool:
        """Whether this is a reference to a kept text, rather than the text of a value."""
        return text.startswith(REFERENCE)

    def serialize_arguments(self, kwargs: Mapping[str, Any], disable_cache_args: Iterable[str] = ()) -> dict[str, str]:
        """The text of each argument; those in `disable_cache_args` (`"*"`: all) are never references.

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
        """The inverse. `SerializationError` names the argument that cannot be read."""
        values: dict[str, Any] = {}
        for name, text in serialized.items():
            try:
                values[name] = self.deserialize(text)
            except Exception as error:
                raise SerializationError(f"argument {name!r} cannot be read: {error}") from error
        return values

    def purge(self) -> None:
        """Remove what a subclass keeps. Nothing otherwise: the texts are the values."""
        if self._keeps():
            self._purge()

    # -- for a subclass that keeps long texts ------------------------------------------------------------------------

    def _store(self, key: str, text: str) -> None:
        raise self._keeps_nothing()

    def _retrieve(self, key: str) -> str:
        """Raises what says that there is no such text."""
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
