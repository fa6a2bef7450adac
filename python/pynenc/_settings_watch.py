"""What an assignment to a setting of an app means once the app is in use: it takes effect, or it is refused."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pynenc.conf.store_url import COMPONENT_FIELDS, STORE_FIELDS, resolve_store_url
from pynenc.conf.working_folder import working_folder
from pynenc.exceptions import AlreadyInitializedError

if TYPE_CHECKING:
    from pynenc.app import Pynenc

_LOGGING = frozenset({"logging_level", "log_format", "log_stream", "log_use_colors", "compact_log_context"})
_STORE_OPTIONS = frozenset(
    {"app_id", "durability", "shards", "result_ttl_sec", "redis_username", "redis_password", "redis_allow_eviction"}
)
_SEALS = frozenset({"signing_keys", "payload_codec_cls"})
_SEALED_WITH = _SEALS | {"app_id"}
_COMPONENTS = frozenset({*COMPONENT_FIELDS, "trigger_cls", "client_data_store_cls"})


@dataclasses.dataclass(frozen=True)
class SettingsWatch:
    """Told by the settings of an app of each value that changes by assignment."""

    app: Pynenc

    def changed(self, name: str) -> None:
        """`name` has its new value already.

        Raises:
            AlreadyInitializedError: it is one that was read for good; the caller puts the old value back.
        """
        app = self.app
        opened = app._opened_url()
        if opened is not None:
            if name in _STORE_OPTIONS or (name in STORE_FIELDS and resolve_store_url(app.conf) != opened):
                raise _too_late(name, f"has opened its store {app._store.url}")
        elif name in STORE_FIELDS:
            # A relative path is relative to where it was assigned.
            app.conf.__dict__["_folder"] = working_folder()
        elif name == "app_id" and "logger" in app._parts:
            raise _too_late(name, "has made its logger")
        if name == "serializer_cls" and not app._parts.keys().isdisjoint({"codec", "serializer"}):
            raise _too_late(name, "has made its serializer")
        codec = app._parts.get("codec")
        # The app id is part of what is signed, and nothing to a codec that seals nothing.
        if codec is not None and name in (_SEALS if codec.refusals is None else _SEALED_WITH):
            raise _too_late(name, "has made its codec")
        if name in _COMPONENTS:
            app._parts.pop(name.removesuffix("_cls"), None)
        if name in _LOGGING and "logger" in app._parts:
            from pynenc.log import create_logger

            create_logger(app)


def _too_late(name: str, why: str) -> AlreadyInitializedError:
    return AlreadyInitializedError(
        f"ConfigPynenc.{name} was assigned after the app {why}, which would not notice; the old value stays. Assign it "
        f"before the first use of the app, or set it with PYNENC__{name.upper()}, a file or config_values"
    )
