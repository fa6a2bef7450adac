"""Settings of `app.state_backend`."""

from __future__ import annotations

from pynenc.conf.base import WITHOUT_EFFECT, ConfigBase, setting
from pynenc.conf.config_sqlite import ConfigSQLite


class ConfigStateBackend(ConfigBase):
    """The settings of pynenc's state backends on Redis. None has an effect."""

    pagination_batch_size: int = setting(100, at_least=1, doc=WITHOUT_EFFECT + ": pages have a fixed size")


class ConfigStateBackendSQLite(ConfigStateBackend, ConfigSQLite):
    """The settings of the state backend and the place of the SQLite file. An app has one store: see `ConfigSQLite`."""
