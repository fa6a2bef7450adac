"""The queue, as a view over the store."""

from pynenc.broker.base_broker import BaseBroker
from pynenc.broker.mem_broker import MemBroker
from pynenc.broker.redis_broker import RedisBroker
from pynenc.broker.sqlite_broker import SQLiteBroker

__all__ = ["BaseBroker", "MemBroker", "RedisBroker", "SQLiteBroker"]
