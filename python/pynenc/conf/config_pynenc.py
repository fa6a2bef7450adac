"""Settings of an app."""

from __future__ import annotations

import enum
from typing import Any

from pynenc.conf.base import ConfigBase, setting

_WITHOUT_EFFECT = "accepted for compatibility, without effect"


def _lower(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value.strip().lower()


class ArgumentPrintMode(enum.StrEnum):
    """How arguments appear in texts."""

    FULL = "FULL"
    KEYS = "KEYS"
    TRUNCATED = "TRUNCATED"
    HIDDEN = "HIDDEN"


class ConfigSQLite(ConfigBase):
    """Where the SQLite store is."""

    sqlite_db_path: str = setting("", doc="the SQLite file where store_url is empty; empty is .pynenc/<app_id>.db")


class ConfigRedis(ConfigBase):
    """Where the Redis store is, where class names choose Redis; `store_url` says the same in one line."""

    redis_url: str = setting("", doc="URL of the server; wins over the other redis settings")
    redis_host: str = setting("localhost", doc="host of the server")
    redis_port: int = setting(6379, at_least=1, at_most=65535, doc="port of the server")
    redis_db: int = setting(0, at_least=0, doc="number of the database")
    redis_username: str = setting("", doc="name to log in with")
    redis_password: str = setting("", secret=True, doc="password to log in with")
    redis_allow_eviction: bool = setting(False, doc="accept a server that may throw work away when memory is full")


class ConfigPynenc(ConfigSQLite, ConfigRedis):
    """Settings of an app: its store, its promises, its texts."""

    app_id: str = setting(
        "pynenc",
        pattern=r"[^/\\{}\x00-\x1f\x7f]{1,200}",
        doc="processes with the same id, on the same store, work together",
    )
    store_url: str = setting(
        "", doc="the store: memory://, sqlite:///path, redis://…; empty is sqlite:///.pynenc/<app_id>.db"
    )
    durability: str = setting(
        "default",
        pattern=r"default|full|normal|fast|fsync|replicated\([1-9][0-9]{0,2}\)",
        doc="what acknowledged means: full or fsync, normal or fast, replicated(n); default: SQLite full, Redis fast",
    )
    shards: int = setting(1, unit="shards", at_least=1, at_most=4096, doc="Redis: over how many shards the app spreads")
    store_deaf_after_sec: float = setting(
        60.0, unit="s", above=0, doc="a runner whose store fails for so long without a break says so and ends"
    )
    lease_sec: float = setting(
        10.0, unit="s", at_least=0.1, doc="how long work of a dead runner lies still; renewed at a third of it"
    )
    stop_grace_sec: float = setting(
        30.0, unit="s", at_least=0, doc="time that running bodies get at a stop before they go back into the queue"
    )
    cancel_grace_sec: float = setting(
        5.0, unit="s", at_least=0, doc="time that a body gets to end when it is cancelled, before it is given up"
    )
    result_ttl_sec: float = setting(86400.0, unit="s", at_least=0, doc="how long a result is kept")
    max_recoveries: int = setting(
        3, unit="recoveries", at_least=0, doc="how many runners may die with an invocation before it fails for good"
    )
    max_payload_bytes: int = setting(
        8 * 1024 * 1024, unit="bytes", at_least=1, doc="largest encoded arguments or result of one invocation"
    )
    unknown_task_delay_sec: float = setting(
        1.0, unit="s", at_least=0, doc="first pause of an invocation whose task a runner does not know; it doubles"
    )
    runner_cls: str = setting("DummyRunner", doc="class of the runner, by name; its module has to be imported")
    orchestrator_cls: str = setting("", doc="class of app.orchestrator, by name; empty suits the store")
    broker_cls: str = setting("", doc="class of app.broker, by name; empty suits the store")
    state_backend_cls: str = setting("", doc="class of app.state_backend, by name; empty suits the store")
    serializer_cls: str = setting("JsonSerializer", doc="how values travel; pickles run code of whoever writes them")
    dev_mode_force_sync_tasks: bool = setting(False, doc="bodies run in the caller, without a store or a runner")
    trigger_task_modules: tuple[str, ...] = setting((), doc="modules that a runner imports when it starts")
    logging_level: str = setting(
        "info", choices=("debug", "info", "warning", "error", "critical"), parse=_lower, doc="level of the log"
    )
    log_format: str = setting("text", choices=("text", "json"), doc="a line of text or of JSON per record")
    log_stream: str = setting("stderr", choices=("stderr", "stdout"), doc="where the log goes")
    log_use_colors: bool = setting(True, doc="colour the log where it goes to a terminal")
    compact_log_context: bool = setting(True, doc="name tasks without their module in lines of text")
    print_arguments: bool = setting(True, doc="whether arguments appear in texts at all")
    argument_print_mode: ArgumentPrintMode = setting(
        ArgumentPrintMode.TRUNCATED, doc="how arguments appear in texts: in full, names only, cut, or not"
    )
    truncate_arguments_length: int = setting(32, unit="characters", at_least=1, doc="where arguments are cut in texts")
    max_pending_seconds: float = setting(5.0, unit="s", at_least=0, doc=_WITHOUT_EFFECT + ": claims have leases")
    cached_status_time: float = setting(0.1, unit="s", at_least=0, doc=_WITHOUT_EFFECT)
    blocking_control: bool = setting(True, doc=_WITHOUT_EFFECT + ": what is waited for always goes first")
    trigger_cls: str = setting("MemTrigger", doc=_WITHOUT_EFFECT)
    client_data_store_cls: str = setting("MemClientDataStore", doc=_WITHOUT_EFFECT)
    auto_final_invocation_purge_hours: float = setting(
        24.0, unit="h", at_least=0, doc=_WITHOUT_EFFECT + ": see result_ttl_sec"
    )
    recover_pending_invocations_cron: str = setting("*/5 * * * *", doc=_WITHOUT_EFFECT + ": see lease_sec")
    recover_running_invocations_cron: str = setting("*/15 * * * *", doc=_WITHOUT_EFFECT + ": see lease_sec")
    runner_considered_dead_after_minutes: float = setting(
        10.0, unit="min", at_least=0, doc=_WITHOUT_EFFECT + ": see lease_sec"
    )
