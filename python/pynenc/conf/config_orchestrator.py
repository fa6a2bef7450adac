"""Settings of `app.orchestrator`."""

from __future__ import annotations

from pynenc.conf.base import WITHOUT_EFFECT, ConfigBase, setting
from pynenc.conf.config_sqlite import ConfigSQLite

_RETRIES = WITHOUT_EFFECT + ": see store_timeout_sec"


class ConfigOrchestrator(ConfigBase):
    """The settings of pynenc's orchestrator. None has an effect: the store does what they switch."""

    blocking_control: bool = setting(True, doc=WITHOUT_EFFECT + ": awaited invocations always come first")
    cycle_control: bool = setting(True, doc=WITHOUT_EFFECT + ": a wait that cannot end always raises")
    auto_final_invocation_purge_hours: float = setting(
        24.0, unit="h", at_least=0, doc=WITHOUT_EFFECT + ": see result_ttl_sec"
    )
    max_pending_resolution_threads: int = setting(50, at_least=1, doc=WITHOUT_EFFECT + ": a status needs no thread")
    redis_retry_base_delay_sec: float = setting(0.1, unit="s", at_least=0, doc=_RETRIES)
    redis_retry_max_delay_sec: float = setting(1.0, unit="s", at_least=0, doc=_RETRIES)


class ConfigOrchestratorSQLite(ConfigOrchestrator, ConfigSQLite):
    """The settings of the orchestrator and the place of the SQLite file. An app has one store: see `ConfigSQLite`."""
