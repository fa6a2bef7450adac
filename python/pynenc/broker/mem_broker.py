"""The queue in memory."""

from pynenc.broker.base_broker import BaseBroker


class MemBroker(BaseBroker):
    """Names the store in memory (`memory://`) in settings made for pynenc."""
