"""The state_backend view on a store in memory."""

from pynenc.state_backend.base_state_backend import BaseStateBackend


class MemStateBackend(BaseStateBackend):
    """Names the store in memory (`memory://`) in settings made for pynenc."""
