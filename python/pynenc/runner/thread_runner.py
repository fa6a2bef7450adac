"""Invocations on threads of this process."""

from __future__ import annotations

import os
from functools import cached_property

from pynenc.conf.config_runner import ConfigThreadRunner
from pynenc.runner._session.kinds import waiting_for_results
from pynenc.runner._session.slot_threads import ThreadSession
from pynenc.runner.base_runner import BaseRunner


class ThreadRunner(BaseRunner, session=ThreadSession):
    """Runs bodies on threads of this process: right for I/O, for tests, and for free-threaded Python.

    Args:
        app: the app; the runner becomes its runner.

    Example:
        >>> with isolated(shop), running(ThreadRunner(shop)):
        ...     pack(7).get_result(timeout=10)
        'packed 7'
    """

    _session: ThreadSession

    @cached_property
    def conf(self) -> ConfigThreadRunner:
        """The settings of this runner."""
        return ConfigThreadRunner(self.app.config_values, self.app.config_filepath)

    @staticmethod
    def mem_compatible() -> bool:
        """Return whether bodies run in this process.

        Returns:
            True.
        """
        return True

    @property
    def max_parallel_slots(self) -> int:
        """The largest of `min_parallel_slots`, `min_threads`, and `max_threads` (0 is the number of CPUs)."""
        return max(self.conf.min_parallel_slots, self.conf.min_threads, self.conf.max_threads or os.cpu_count() or 1)

    def _on_start(self) -> None:
        self._session.slot_threads.reset()

    def runner_loop_iteration(self) -> None:
        """Supervise for up to a second: start the threads that are missing."""
        self._session.slot_threads.supervise()

    def _on_stop(self) -> None:
        self._session.slot_threads.stop()

    def _on_stop_runner_loop(self) -> None:
        """The engine was told already."""

    waiting_for_results = waiting_for_results
