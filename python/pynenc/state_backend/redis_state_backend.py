"""The state_backend view on a Redis store."""

from pynenc.state_backend.base_state_backend import BaseStateBackend


class RedisStateBackend(BaseStateBackend):
    """Names the Redis store (`redis://…`) in settings made for pynenc."""
