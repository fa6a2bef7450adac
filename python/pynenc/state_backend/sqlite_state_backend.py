"""The state_backend view on a SQLite store."""

from pynenc.state_backend.base_state_backend import BaseStateBackend


class SQLiteStateBackend(BaseStateBackend):
    """pynenc's name for the state in SQLite: as `state_backend_cls` it selects the store `sqlite:///…`."""
