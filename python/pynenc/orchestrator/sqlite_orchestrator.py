"""The orchestrator view on a SQLite store."""

from pynenc.orchestrator.base_orchestrator import BaseOrchestrator


class SQLiteOrchestrator(BaseOrchestrator):
    """pynenc's name for the orchestrator in SQLite: as `orchestrator_cls` it selects the store `sqlite:///…`."""
