"""The orchestrator view on a Redis store."""

from pynenc.orchestrator.base_orchestrator import BaseOrchestrator


class RedisOrchestrator(BaseOrchestrator):
    """pynenc's name for the orchestrator in Redis: as `orchestrator_cls` it selects the store `redis://…`."""
