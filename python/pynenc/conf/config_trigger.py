"""Settings of `app.trigger`."""

from __future__ import annotations

from pynenc.conf.base import ConfigBase, setting
from pynenc.conf.config_sqlite import ConfigSQLite

_NO_TRIGGERS = "accepted for compatibility, without effect: this build has no triggers"


class ConfigTrigger(ConfigBase):
    """The settings of pynenc's triggers. None has an effect: this build refuses triggers with `NotOfferedError`."""

    scheduler_interval_seconds: int = setting(60, unit="s", at_least=1, doc=_NO_TRIGGERS)
    enable_scheduler: bool = setting(True, doc=_NO_TRIGGERS)
    max_events_batch_size: int = setting(100, unit="events", at_least=1, doc=_NO_TRIGGERS)
    event_retention_days: float = setting(7, unit="days", at_least=0, doc=_NO_TRIGGERS)
    event_auto_purge_enabled: bool = setting(True, doc=_NO_TRIGGERS)
    event_max_records: int = setting(0, unit="events", at_least=0, doc=_NO_TRIGGERS)
    trigger_run_max_records: int = setting(0, unit="runs", at_least=0, doc=_NO_TRIGGERS)


class ConfigTriggerSQLite(ConfigTrigger, ConfigSQLite):
    """The settings of the triggers and the place of the SQLite file. An app has one store: see `ConfigSQLite`."""
