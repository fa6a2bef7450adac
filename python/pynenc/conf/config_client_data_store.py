"""Settings of `app.client_data_store`."""

from __future__ import annotations

from pynenc.conf.base import ConfigBase, setting
from pynenc.conf.config_sqlite import ConfigSQLite

_INLINE = "accepted for compatibility, without effect: large values are stored with their invocation"


class ConfigClientDataStore(ConfigBase):
    """The settings of `app.client_data_store`. Only `warn_threshold` has an effect, unless a subclass keeps texts."""

    disable_client_data_store: bool = setting(False, doc=_INLINE)
    min_size_to_cache: int = setting(1024, unit="characters", at_least=0, doc=_INLINE)
    max_size_to_cache: int = setting(0, unit="characters", at_least=0, doc=_INLINE)
    local_cache_size: int = setting(1024, unit="values", at_least=0, doc=_INLINE)
    warn_threshold: int = setting(
        10 * 1024 * 1024,
        unit="characters",
        at_least=0,
        doc="log a warning if app.client_data_store writes a longer text; 0 disables the warning",
    )
    compression_enabled: bool = setting(False, doc=_INLINE)


class ConfigClientDataStoreSQLite(ConfigClientDataStore, ConfigSQLite):
    """The settings of `app.client_data_store` and the place of the SQLite file: see `ConfigSQLite`."""
