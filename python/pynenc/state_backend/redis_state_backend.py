"""The state_backend view on a Redis store."""

from pynenc.state_backend.base_state_backend import BaseStateBackend


class RedisStateBackend(BaseStateBackend):
    """pynenc's name for the state in Redis: as `state_backend_cls` it selects the store `redis://…`."""
