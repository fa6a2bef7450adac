"""Invocations, results and history, as a view over the store."""

from pynenc.state_backend.base_state_backend import BaseStateBackend, InvocationHistory
from pynenc.state_backend.mem_state_backend import MemStateBackend
from pynenc.state_backend.redis_state_backend import RedisStateBackend
from pynenc.state_backend.sqlite_state_backend import SQLiteStateBackend

__all__ = ["BaseStateBackend", "InvocationHistory", "MemStateBackend", "RedisStateBackend", "SQLiteStateBackend"]
