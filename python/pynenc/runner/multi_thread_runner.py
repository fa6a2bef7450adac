"""Invocations on threads of worker processes, as many of them as there is work for."""

from __future__ import annotations

import os
from functools import cached_property

from pynenc.conf.config_runner import ConfigMultiThreadRunner
from pynenc.exceptions import StateBackendError
from pynenc.runner._workers.pool import ProcessPoolRunner
from pynenc.util import clock

_LOOK_SEC = 0.2
"""How often to look for more work than the present workers take, while there could be more of them."""


class MultiThreadRunner(ProcessPoolRunner):
    """Runs bodies on `max_threads` threads in each of `min_processes` to `max_processes` worker processes.

    The runner adds a worker process while due invocations wait, and ends one without work for
    `idle_timeout_process_sec`. With `enforce_max_processes` there are always `max_processes`.

    Args:
        app: the app; the runner becomes its runner.
    """

    def _on_start(self) -> None:
        self._target = self._fewest()
        self._backlog = False
        self._next_look = self._next_count = 0.0
        super()._on_start()

    @cached_property
    def conf(self) -> ConfigMultiThreadRunner:
        """The settings of this runner."""
        return ConfigMultiThreadRunner(self.app.config_values, self.app.config_filepath)

    @property
    def max_parallel_slots(self) -> int:
        """The larger of `min_processes` and `max_processes` (0 is the number of CPUs): a number of processes."""
        return max(self.conf.min_processes, self.conf.max_processes or os.cpu_count() or 1)

    def _slots_per_worker(self) -> int:
        return max(self.conf.min_threads, self.conf.max_threads or os.cpu_count() or 1)

    def _fewest(self) -> int:
        return self.max_parallel_slots if self.conf.enforce_max_processes else self.conf.min_processes

    def _wanted(self) -> int:
        return self._target

    def runner_loop_iteration(self) -> None:
        """Supervise the worker processes, and adapt their number to the work. Blocks for up to a second."""
        self._listen(_LOOK_SEC if self._target < self.max_parallel_slots else 1.0)
        if self.running:
            self._grow()
            self._shrink()
            self._tend()

    def _grow(self) -> None:
        """One more worker for each set of slots that the waiting work would fill."""
        now = clock.monotonic()
        if self._target >= self.max_parallel_slots or now < self._next_look or self._engine is None:
            return
        ready = [member for member in self._ordinary() if member.key and member.is_present]
        if len(ready) < self._target or any(member.live < self._slots_per_worker() for member in ready):
            # Those that are being started, or have free slots, may be enough.
            return
        self._next_look = now + _LOOK_SEC
        # Asks the store if something was submitted since the last look, or work was left over then; and once a second,
        # for nobody tells of a retry that becomes due while every slot is taken.
        if not self._engine.wait_for_work(0.0) and not self._backlog and now < self._next_count:
            return
        self._next_count = now + 1.0
        room = (self.max_parallel_slots - self._target) * self._slots_per_worker()
        try:
            waiting = self.app._runtime.store.backlog(list(self.conf.queues), room)
        except StateBackendError:
            # Nothing can be claimed either. The engine says when the store has been away for too long.
            return
        if waiting and self._backlog:
            self._target += -(-waiting // self._slots_per_worker())
        # Seen once, it may be on its way to a slot that has just become free: what this process hears of its workers
        # is a little old. Seen at two looks, it waits.
        self._backlog = waiting > 0

    def _shrink(self) -> None:
        now = clock.monotonic()
        idle = [
            member
            for member in self._ordinary()
            if member.key
            and member.is_present
            and member.idle_since is not None
            and now - member.idle_since >= self.conf.idle_timeout_process_sec
        ]
        for member in idle[: max(0, self._target - self._fewest())]:
            self._target -= 1
            self._tell_to_stop(member)
