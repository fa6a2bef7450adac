"""The orchestrator view on a store in memory."""

from pynenc.orchestrator.base_orchestrator import BaseOrchestrator


class MemOrchestrator(BaseOrchestrator):
    """Names the store in memory (`memory://`) in settings made for pynenc."""
