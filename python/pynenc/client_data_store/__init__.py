"""Large values as text: how pynenc's component for them looks when they travel with their invocation."""

from pynenc.client_data_store.base_client_data_store import BaseClientDataStore
from pynenc.client_data_store.mem_client_data_store import MemClientDataStore
from pynenc.client_data_store.redis_client_data_store import RedisClientDataStore
from pynenc.client_data_store.sqlite_client_data_store import SQLiteClientDataStore

__all__ = ["BaseClientDataStore", "MemClientDataStore", "RedisClientDataStore", "SQLiteClientDataStore"]
