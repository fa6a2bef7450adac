"""Invocations in long-lived worker processes, one at a time in each."""

from __future__ import annotations

import os
from functools import cached_property

from pynenc.conf.config_runner import ConfigPersistentProcessRunner
from pynenc.runner._workers.pool_runner import ProcessPoolRunner


class PersistentProcessRunner(ProcessPoolRunner):
    """Runs bodies in `num_processes` worker processes with one slot each: right for work that computes.

    A waiting body lends the slot of its process out: another thread there runs the next invocation meanwhile.

    Args:
        app: the app; the runner becomes its runner.
    """

    @cached_property
    def conf(self) -> ConfigPersistentProcessRunner:
        """The settings of this runner."""
        return ConfigPersistentProcessRunner(self.app.config_values, self.app.config_filepath)

    @property
    def max_parallel_slots(self) -> int:
        """The larger of `min_parallel_slots` and `num_processes` (0 is the number of CPUs)."""
        return max(self.conf.min_parallel_slots, self.conf.num_processes or os.cpu_count() or 1)
