"""The state_backend view on a store in memory."""

from pynenc.state_backend.base_state_backend import BaseStateBackend


class MemStateBackend(BaseStateBackend):
    """pynenc's name for the state in memory: as `state_backend_cls` it selects the store `memory://`."""
