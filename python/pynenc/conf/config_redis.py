"""Settings of the Redis store."""

from __future__ import annotations

from pynenc.conf.base import WITHOUT_EFFECT, ConfigBase, setting

_OWN_CONNECTIONS = WITHOUT_EFFECT + ": the engine keeps its own connections and reconnects by itself"


class ConfigRedis(ConfigBase):
    """The place of the Redis store, where class names choose Redis. `store_url` says the same in one line."""

    redis_url: str = setting("", url=True, doc="URL of the server; overrides the other redis settings")
    redis_host: str = setting("localhost", doc="host of the server")
    redis_port: int = setting(6379, at_least=1, at_most=65535, doc="port of the server")
    redis_db: int = setting(0, at_least=0, doc="number of the database")
    redis_username: str = setting("", doc="user name for the server")
    redis_password: str = setting("", secret=True, doc="password for the server")
    redis_allow_eviction: bool = setting(
        False, doc="accept a server that may evict invocations when its memory is full"
    )
    socket_timeout: float = setting(5.0, unit="s", at_least=0, doc=_OWN_CONNECTIONS)
    socket_connect_timeout: float = setting(5.0, unit="s", at_least=0, doc=_OWN_CONNECTIONS)
    health_check_interval: int = setting(30, unit="s", at_least=0, doc=_OWN_CONNECTIONS)
    max_connection_attempts: int = setting(3, at_least=0, doc=_OWN_CONNECTIONS)
    redis_pool_max_connections: int = setting(100, at_least=1, doc=_OWN_CONNECTIONS)
    redis_pool_health_check_interval: float = setting(30.0, unit="s", at_least=0, doc=_OWN_CONNECTIONS)
