"""The orchestrator view on a store in memory."""

from pynenc.orchestrator.base_orchestrator import BaseOrchestrator


class MemOrchestrator(BaseOrchestrator):
    """pynenc's name for the orchestrator in memory: as `orchestrator_cls` it selects the store `memory://`."""
