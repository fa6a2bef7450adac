"""Settings of `app.state_backend`."""

from __future__ import annotations

from pynenc.conf.base import WITHOUT_EFFECT, ConfigBase, setting
from pynenc.conf.config_sqlite import ConfigSQLite


class ConfigStateBackend(ConfigBase):
    """What pynenc's state backends on Redis understand."""

    pagination_batch_size: int = setting(100, at_least=1, doc=WITHOUT_EFFECT + ": pages have a fixed size")


class ConfigStateBackendSQLite(ConfigStateBackend, ConfigSQLite):
    """Settings of the state backend and the place of the SQLite file. An app has one store: see `ConfigSQLite`."""
