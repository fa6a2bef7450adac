"""The queue in Redis."""

from pynenc.broker.base_broker import BaseBroker


class RedisBroker(BaseBroker):
    """Names the Redis store (`redis://…`) in settings made for pynenc."""
