"""Open the store of an app as its settings say."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from pynenc import _core
from pynenc._kernel.process import prepare_process
from pynenc._logs.engine import CoreLogs
from pynenc.conf.database_file import check_database
from pynenc.conf.store_url import resolve_store_url

if TYPE_CHECKING:
    from pynenc.conf.config_pynenc import ConfigPynenc


class OpenStore(NamedTuple):
    """A store that this process has open."""

    store: _core.Store
    url: str


def open_store(conf: ConfigPynenc, logger: logging.Logger) -> OpenStore:
    """Open the store that `conf` names. Blocks: it may connect to a server, or create a file.

    Raises:
        ConfigError: a setting that cannot work, or a database that another user owns or may write.
        StateBackendError: the store cannot be opened.
    """
    url = resolve_store_url(conf)
    check_database(url, conf, logger)
    prepare_process()
    store = _core.Store.open(
        url,
        app_id=conf.app_id,
        result_ttl_sec=conf.result_ttl_sec,
        durability=conf.durability,
        store_timeout_sec=conf.store_timeout_sec,
        lease_sec=conf.lease_sec,
        shards=conf.shards,
        allow_eviction=conf.redis_allow_eviction,
        username=conf.redis_username or None,
        password=conf.redis_password or None,
    )
    if url.startswith("redis"):
        # The store logs what it noticed of the server. A client has no thread that drains this log later.
        CoreLogs(logger).drain(force=True)
    return OpenStore(store, url)


def open_manual_store(conf: ConfigPynenc) -> OpenStore:
    """Open a store in memory whose clock stands still until a test advances it."""
    store = _core.Store.open_manual(result_ttl_sec=conf.result_ttl_sec, lease_sec=conf.lease_sec)
    return OpenStore(store, conf.store_url)
