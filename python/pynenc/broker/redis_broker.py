"""The queue in Redis."""

from pynenc.broker.base_broker import BaseBroker


class RedisBroker(BaseBroker):
    """pynenc's name for the queues in Redis: as `broker_cls` it selects the store `redis://…`."""
