"""A pool that has as many workers as there is work for."""

from __future__ import annotations

import os

from pynenc.exceptions import StateBackendError
from pynenc.runner._workers.pool import WorkerPool
from pynenc.util import clock

_LOOK_SEC = 0.2
"""How often to look for more work than the present workers take, while there could be more of them."""


class ElasticPool(WorkerPool):
    """Adds a worker while work waits that no worker takes, and ends a worker that has been idle for long enough."""

    _target = 0
    _backlog = False
    _next_look = _next_count = 0.0

    def start(self) -> None:
        """Begin a run with as few workers as the settings allow."""
        self._target = self._fewest()
        self._backlog = False
        self._next_look = self._next_count = 0.0
        super().start()

    def slots_per_worker(self) -> int:
        """The larger of `min_threads` and `max_threads` (0 is the number of CPUs)."""
        return int(max(self.conf.min_threads, self.conf.max_threads or os.cpu_count() or 1))

    def wanted(self) -> int:
        """The number of workers that the work asks for."""
        return self._target

    def supervise(self) -> None:
        """Supervise for up to a second, and adapt the number of workers to the work."""
        self.listen(_LOOK_SEC if self._target < self.runner.max_parallel_slots else 1.0)
        if self.runner.running:
            self._grow()
            self._shrink()
            self.tend()

    def _fewest(self) -> int:
        return self.runner.max_parallel_slots if self.conf.enforce_max_processes else int(self.conf.min_processes)

    def _grow(self) -> None:
        """Want one more worker for each set of slots that the waiting work would fill."""
        now, most, engine = clock.monotonic(), self.runner.max_parallel_slots, self.session.engine
        if self._target >= most or now < self._next_look or engine is None:
            return
        slots = self.slots_per_worker()
        ready = [worker for worker in self.ordinary() if worker.key and worker.is_present]
        if len(ready) < self._target or any(worker.live < slots for worker in ready):
            # Workers that are being started, or have free slots, may be enough.
            return
        self._next_look = now + _LOOK_SEC
        # Asks the store if something was submitted since the last look, or work was left over then; and once a second,
        # for no notification comes for a retry that becomes due while every slot is taken.
        if not engine.wait_for_work(0.0) and not self._backlog and now < self._next_count:
            return
        self._next_count = now + 1.0
        try:
            waiting = self.runtime.store.backlog(list(self.conf.queues), (most - self._target) * slots)
        except StateBackendError:
            # Nothing can be claimed either. The engine says when the store has been away for too long.
            return
        if waiting and self._backlog:
            self._target += -(-waiting // slots)
        # Seen once, it may be on its way to a slot that has just become free: what this process knows of its workers
        # is a little old. Seen at two looks, it waits.
        self._backlog = waiting > 0

    def _shrink(self) -> None:
        now = clock.monotonic()
        idle = [
            worker
            for worker in self.ordinary()
            if worker.key
            and worker.is_present
            and worker.idle_since is not None
            and now - worker.idle_since >= self.conf.idle_timeout_process_sec
        ]
        for worker in idle[: max(0, self._target - self._fewest())]:
            self._target -= 1
            self.tell_to_stop(worker)
