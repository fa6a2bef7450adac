"""A fresh process for each invocation."""

from __future__ import annotations

import os
from functools import cached_property, partial

from pynenc.conf.config_runner import ConfigProcessRunner
from pynenc.runner._workers.once_pool import OncePool
from pynenc.runner._workers.pool_runner import PoolSession, ProcessPoolRunner


class ProcessRunner(ProcessPoolRunner, session=partial(PoolSession, pool=OncePool)):
    """Runs each invocation in a process of its own, at most `max_processes` at a time: right for isolation.

    The processes are forked ahead, from a process that has imported the app. A waiting body keeps its process and lends
    its slot out; when it can go on, it gets a slot before new work does. So there can be more processes than slots.

    Args:
        app: the app; the runner becomes its runner.
    """

    @cached_property
    def conf(self) -> ConfigProcessRunner:
        """The settings of this runner."""
        return ConfigProcessRunner(self.app.config_values, self.app.config_filepath)

    @property
    def max_parallel_slots(self) -> int:
        """The larger of `min_parallel_slots` and `max_processes` (0 is the number of CPUs)."""
        return max(self.conf.min_parallel_slots, self.conf.max_processes or os.cpu_count() or 1)
