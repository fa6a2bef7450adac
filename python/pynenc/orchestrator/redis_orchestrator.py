"""The orchestrator view on a Redis store."""

from pynenc.orchestrator.base_orchestrator import BaseOrchestrator


class RedisOrchestrator(BaseOrchestrator):
    """Names the Redis store (`redis://…`) in settings made for pynenc."""
