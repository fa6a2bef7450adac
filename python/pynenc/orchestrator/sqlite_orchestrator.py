"""The orchestrator view on a SQLite store."""

from pynenc.orchestrator.base_orchestrator import BaseOrchestrator


class SQLiteOrchestrator(BaseOrchestrator):
    """Names the SQLite store (`sqlite:///path`) in settings made for pynenc."""
