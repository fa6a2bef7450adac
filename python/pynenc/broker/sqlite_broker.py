"""The queue in SQLite."""

from pynenc.broker.base_broker import BaseBroker


class SQLiteBroker(BaseBroker):
    """pynenc's name for the queues in SQLite: as `broker_cls` it selects the store `sqlite:///…`."""
