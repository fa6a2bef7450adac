"""Invocations on threads of worker processes, as many of them as there is work for."""

from __future__ import annotations

import os
from functools import cached_property, partial

from pynenc.conf.config_runner import ConfigMultiThreadRunner
from pynenc.runner._workers.elastic_pool import ElasticPool
from pynenc.runner._workers.pool_runner import PoolSession, ProcessPoolRunner


class MultiThreadRunner(ProcessPoolRunner, session=partial(PoolSession, pool=ElasticPool)):
    """Runs bodies on `max_threads` threads in each of `min_processes` to `max_processes` worker processes.

    The runner adds a worker process while due invocations wait, and ends one without work for
    `idle_timeout_process_sec`. With `enforce_max_processes` there are always `max_processes`.

    Args:
        app: the app; the runner becomes its runner.
    """

    @cached_property
    def conf(self) -> ConfigMultiThreadRunner:
        """The settings of this runner."""
        return ConfigMultiThreadRunner(self.app.config_values, self.app.config_filepath)

    @property
    def max_parallel_slots(self) -> int:
        """The larger of `min_processes` and `max_processes` (0 is the number of CPUs): a number of processes."""
        return max(self.conf.min_processes, self.conf.max_processes or os.cpu_count() or 1)
