"""Settings of an app."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any

from pynenc.conf.base import WITHOUT_EFFECT, setting
from pynenc.conf.config_redis import ConfigRedis
from pynenc.conf.config_sqlite import ConfigSQLite
from pynenc.conf.signing_keys import SigningKey, parse_signing_keys
from pynenc.conf.sources import Layer
from pynenc.conf.trust import checked_layers
from pynenc.util.cron import CronSchedule

__all__ = ["ArgumentPrintMode", "ConfigPynenc", "ConfigRedis", "ConfigSQLite", "LogFormat"]

_MINUTES = "minutes (UTC) in which runners search for invocations of dead runners; they also do so every lease_sec / 2"
_LEASES = WITHOUT_EFFECT + ": every runner recovers, by leases"


def _lower(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value.strip().lower()


def _cron(value: Any) -> str:
    return CronSchedule.parse(value).text


class ArgumentPrintMode(enum.StrEnum):
    """How arguments appear in texts: in full, by name only, cut, or not at all."""

    FULL = "FULL"
    KEYS = "KEYS"
    TRUNCATED = "TRUNCATED"
    HIDDEN = "HIDDEN"


class LogFormat(enum.StrEnum):
    """The form of a line of the log."""

    TEXT = "text"
    JSON = "json"


class ConfigPynenc(ConfigSQLite, ConfigRedis):
    """The settings of an app: its store, its promises, its texts."""

    def _layers(self, config_values: dict[str, Any], config_filepath: str | None) -> Iterator[Layer]:
        """Yield the sources, later ones overriding earlier ones. Raises `ConfigError` for a source that weakens the
        code's trust.
        """
        yield from checked_layers(super()._layers(config_values, config_filepath))

    def __setattr__(self, name: str, value: Any) -> None:
        """As every assignment of a setting.

        Raises:
            AlreadyInitializedError: the app has read this setting for good. The old value stays.
        """
        watch = self.__dict__.get("_watch")
        before = self.__dict__.get(name), self._sources.get(name), self.strength_of(name)
        super().__setattr__(name, value)
        if watch is not None and self.__dict__[name] != before[0]:
            try:
                watch.changed(name)
            except BaseException:
                self.__dict__[name], self._sources[name] = before[0], before[1] or "default"
                self._strengths[name] = before[2]
                raise

    def __getstate__(self) -> dict[str, Any]:
        """Return the state of a pickle, which belongs to no app."""
        return {name: value for name, value in super().__getstate__().items() if name != "_watch"}

    app_id: str = setting(
        "pynenc",
        pattern=r"[^/\\{}\x00-\x1f\x7f]{1,200}",
        doc="processes with the same id and store belong together; apps with other ids do not see their invocations",
    )
    store_url: str = setting(
        "", url=True, doc="the store: memory://, sqlite:///path, redis://…; empty is sqlite:///.pynenc/<app_id>.db"
    )
    durability: str = setting(
        "default",
        pattern=r"default|full|normal|fast|fsync|replicated\([1-9][0-9]{0,2}\)",
        doc="durability of acknowledgements: full, fsync, normal, fast, replicated(n); SQLite: full, Redis: fast",
    )
    shards: int = setting(1, unit="shards", at_least=1, at_most=4096, doc="Redis: number of shards of the app")
    store_timeout_sec: float = setting(
        10.0,
        unit="s",
        above=0,
        doc="how long a call retries an unreachable or locked store before it raises; waiting bodies continue to wait",
    )
    store_deaf_after_sec: float = setting(
        60.0,
        unit="s",
        above=0,
        doc="how long the store of a runner may fail without a break before the runner logs the reason and ends",
    )
    lease_sec: float = setting(
        10.0,
        unit="s",
        at_least=0.1,
        doc="lease duration: how long before a dead runner's work is retried; renewed every third of it",
    )
    stop_grace_sec: float = setting(
        30.0, unit="s", at_least=0, doc="time for running bodies to finish at a stop before they go back into the queue"
    )
    cancel_grace_sec: float = setting(
        5.0, unit="s", at_least=0, doc="time for a cancelled body to end before the runner gives it up"
    )
    result_ttl_sec: float = setting(86400.0, unit="s", at_least=0, doc="how long a result is kept")
    max_recoveries: int = setting(
        3,
        unit="recoveries",
        at_least=0,
        doc="how many deaths of a process in which it runs alone an invocation survives before it fails for good",
    )
    max_depth: int = setting(
        1000, unit="calls", at_least=0, doc="maximum depth of calls inside bodies; ends an infinite recursion"
    )
    max_payload_bytes: int = setting(
        8 * 1024 * 1024, unit="bytes", at_least=1, doc="largest encoded arguments or result of one invocation"
    )
    decode_limit_sec: float = setting(
        5.0,
        unit="s",
        above=0,
        doc="how long a runner decodes the arguments of one call before the call fails, or its process is killed",
    )
    wait_warning_sec: float = setting(
        5.0,
        unit="s",
        at_least=0,
        doc="how long a wait for results lasts before the log gives the reason; 0 disables the line",
    )
    unknown_task_delay_sec: float = setting(
        1.0,
        unit="s",
        at_least=0,
        doc="first pause of an invocation whose task a runner does not know; doubles each time",
    )
    unknown_task_ttl: float = setting(
        86400.0,
        unit="s",
        at_least=0,
        doc="how long after its first refusal a call of an unknown task fails for good; 0 means never",
    )
    task_modules: tuple[str, ...] = setting(
        (),
        doc="modules with tasks that a runner imports at its start, besides the modules that it finds beside the app",
    )
    find_task_modules: bool = setting(
        True, doc="whether a runner imports the modules beside the app whose source uses a task decorator of the app"
    )
    task_import_limit_sec: float = setting(
        30.0,
        unit="s",
        above=0,
        doc="how long one module may take to import at the start of a runner before the runner skips it and logs it",
    )
    runner_cls: str = setting(
        "DummyRunner", doc="name of the class of the runner; a module that the app imports must define it"
    )
    orchestrator_cls: str = setting(
        "", doc="name of the class of app.orchestrator; empty chooses the class that suits the store"
    )
    broker_cls: str = setting("", doc="name of the class of app.broker; empty chooses the class that suits the store")
    state_backend_cls: str = setting(
        "", doc="name of the class of app.state_backend; empty chooses the class that suits the store"
    )
    serializer_cls: str = setting(
        "JsonSerializer",
        doc="name of the class that encodes values; unpickling runs code of anyone who can write to the store",
    )
    signing_keys: tuple[SigningKey, ...] = setting(
        (),
        secret=True,
        parse=parse_signing_keys,
        doc="keys as id:secret, newest first: payloads are signed, and all others are refused",
    )
    payload_codec_cls: str = setting("", doc="name of the class of the PayloadCodec; empty leaves payloads unchanged")
    allow_serializer_override: bool = setting(
        False, doc="in code only: files and the environment may choose a less safe serializer than the code does"
    )
    allow_foreign_files: bool = setting(
        False, doc="in code or the environment only: accept files that other users own or may write"
    )
    dev_mode_force_sync_tasks: bool = setting(False, doc="run bodies in the caller, without a store or a runner")
    trigger_task_modules: tuple[str, ...] = setting((), doc="modules that a runner imports when it starts")
    logging_level: str = setting(
        "info", choices=("debug", "info", "warning", "error", "critical"), parse=_lower, doc="level of the log"
    )
    log_format: LogFormat = setting(LogFormat.TEXT, doc="format of a log record: a line of text or of JSON")
    log_stream: str = setting("stderr", choices=("stderr", "stdout"), doc="stream of the log")
    log_invocations: bool = setting(
        True, doc="log one line at level INFO for each invocation that ends (about 6 us); False has no cost"
    )
    log_use_colors: bool = setting(True, doc="colour the log on a terminal")
    compact_log_context: bool = setting(True, doc="omit the module from names of tasks in lines of text")
    print_arguments: bool = setting(True, doc="whether arguments appear in texts")
    argument_print_mode: ArgumentPrintMode = setting(
        ArgumentPrintMode.TRUNCATED, doc="form of arguments in texts: in full, names only, cut, or omitted"
    )
    truncate_arguments_length: int = setting(
        32, unit="characters", at_least=1, doc="length at which arguments are cut in texts"
    )
    max_pending_seconds: float = setting(
        5.0,
        unit="s",
        at_least=0,
        doc="age at which get_pending_invocations_for_recovery lists an invocation; recovery itself uses leases",
    )
    cached_status_time: float = setting(
        0.1, unit="s", at_least=0, doc=WITHOUT_EFFECT + ": a status is read at each access"
    )
    trigger_cls: str = setting("MemTrigger", doc="name of the class of app.trigger")
    client_data_store_cls: str = setting("MemClientDataStore", doc="name of the class of app.client_data_store")
    recover_pending_invocations_cron: str = setting("*/5 * * * *", parse=_cron, doc=_MINUTES)
    recover_running_invocations_cron: str = setting("*/15 * * * *", parse=_cron, doc=_MINUTES)
    runner_considered_dead_after_minutes: float = setting(
        10.0, unit="min", at_least=0, doc=WITHOUT_EFFECT + ": see lease_sec"
    )
    atomic_service_interval_minutes: float = setting(5.0, unit="min", at_least=0, doc=_LEASES)
    atomic_service_spread_margin_minutes: float = setting(1.0, unit="min", at_least=0, doc=_LEASES)
    atomic_service_check_interval_minutes: float = setting(0.5, unit="min", at_least=0, doc=_LEASES)
    atomic_service_execution_retention_minutes: float = setting(60.0, unit="min", at_least=0, doc=_LEASES)
    atomic_service_execution_max_records: int = setting(1000, at_least=0, doc=_LEASES)
    atomic_service_max_start_slot_fraction: float = setting(0.5, at_least=0, at_most=1, doc=_LEASES)
    atomic_service_membership_stabilization_minutes: float = setting(0.0, unit="min", at_least=0, doc=_LEASES)
    atomic_service_min_run_margin_seconds: float = setting(0.05, unit="s", at_least=0, doc=_LEASES)
