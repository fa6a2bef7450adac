"""The queue in SQLite."""

from pynenc.broker.base_broker import BaseBroker


class SQLiteBroker(BaseBroker):
    """Names the SQLite store (`sqlite:///path`) in settings made for pynenc."""
