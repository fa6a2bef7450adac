"""Settings of the SQLite store."""

from __future__ import annotations

from pynenc.conf.base import ConfigBase, setting


class ConfigSQLite(ConfigBase):
    """The place of the SQLite store."""

    sqlite_db_path: str = setting(
        "", doc="path of the SQLite file if store_url is empty; empty means .pynenc/<app_id>.db"
    )
