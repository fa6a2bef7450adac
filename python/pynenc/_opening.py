"""Open the store of an app as its settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pynenc import _core
from pynenc._process import prepare_process
from pynenc.conf.database_file import check_database
from pynenc.conf.store_url import resolve_store_url

if TYPE_CHECKING:
    from pynenc.app import Pynenc


def open_store(app: Pynenc) -> tuple[_core.Store, str]:
    """Return the opened store of `app`, and its URL.

    Raises:
        ConfigError: a setting that cannot work, or a database that another user owns or may write.
        StateBackendError: the store cannot be opened.
    """
    conf = app.conf
    app._check_settings()
    url = resolve_store_url(conf)
    check_database(url, conf, app.logger)
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
    return store, url
