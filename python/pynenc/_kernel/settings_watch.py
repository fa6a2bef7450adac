"""Assignments to the settings of an app in use: each takes effect, or is refused."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pynenc.conf.store_url import COMPONENT_FIELDS, STORE_FIELDS, resolve_store_url
from pynenc.conf.working_folder import working_folder
from pynenc.exceptions import AlreadyInitializedError

if TYPE_CHECKING:
    from pynenc._kernel.runtime import AppRuntime

_LOGGING = frozenset({"logging_level", "log_format", "log_stream", "log_use_colors", "compact_log_context"})
_STORE_OPTIONS = frozenset(
    {"app_id", "durability", "shards", "result_ttl_sec", "redis_username", "redis_password", "redis_allow_eviction"}
)
_SEALS = frozenset({"signing_keys", "payload_codec_cls"})
_SEALED_WITH = _SEALS | {"app_id"}
_COMPONENTS = frozenset({*COMPONENT_FIELDS, "trigger_cls", "client_data_store_cls"})


@dataclasses.dataclass(frozen=True)
class SettingsWatch:
    """Hears of each setting of an app that changes by assignment."""

    runtime: AppRuntime

    def changed(self, name: str) -> None:
        """Apply the assignment of `name`, which has its new value already.

        Raises:
            AlreadyInitializedError: the setting was read for good; the caller restores the old value.
        """
        runtime = self.runtime
        opened = runtime.opened_url
        if opened is not None:
            if name in _STORE_OPTIONS or (name in STORE_FIELDS and resolve_store_url(runtime.conf) != opened):
                raise _too_late(name, f"has opened its store {runtime.store.url}")
        elif name in STORE_FIELDS:
            # A relative path is relative to where it was assigned.
            runtime.conf.__dict__["_folder"] = working_folder()
        elif name == "app_id" and "logger" in runtime.parts:
            raise _too_late(name, "has made its logger")
        if name == "serializer_cls" and not runtime.parts.keys().isdisjoint({"codec", "serializer"}):
            raise _too_late(name, "has made its serializer")
        codec = runtime.parts.get("codec")
        # The app id is part of what is signed, and nothing to a codec that seals nothing.
        if codec is not None and name in (_SEALS if codec.refusals is None else _SEALED_WITH):
            raise _too_late(name, "has made its codec")
        if name in _COMPONENTS:
            runtime.parts.pop(name.removesuffix("_cls"), None)
        if name in _LOGGING and "logger" in runtime.parts:
            from pynenc._logs.app_logger import create_logger

            create_logger(runtime)


def _too_late(name: str, why: str) -> AlreadyInitializedError:
    return AlreadyInitializedError(
        f"ConfigPynenc.{name} was assigned after the app {why}, which would not notice; the old value stays. Assign it "
        f"before the first use of the app, or set it with PYNENC__{name.upper()}, a file or config_values"
    )
