"""The queue in memory."""

from pynenc.broker.base_broker import BaseBroker


class MemBroker(BaseBroker):
    """pynenc's name for the queues in memory: as `broker_cls` it selects the store `memory://`."""
