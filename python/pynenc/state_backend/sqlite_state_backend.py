"""The state_backend view on a SQLite store."""

from pynenc.state_backend.base_state_backend import BaseStateBackend


class SQLiteStateBackend(BaseStateBackend):
    """Names the SQLite store (`sqlite:///path`) in settings made for pynenc."""
