"""A pool whose workers have an event loop each."""

from __future__ import annotations

import os

from pynenc.runner._workers.pool import WorkerPool


class LoopPool(WorkerPool):
    """Keeps `processes` workers, each of which runs `concurrency` bodies on its event loop."""

    kind = "loop"

    def wanted(self) -> int:
        """`processes`; 0 is the number of CPUs."""
        return int(self.conf.processes) or os.cpu_count() or 1

    def slots_per_worker(self) -> int:
        """`concurrency`."""
        return int(self.conf.concurrency)
