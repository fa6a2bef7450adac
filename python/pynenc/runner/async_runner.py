"""Invocations as coroutines on event loops, very many at a time."""

from __future__ import annotations

import os
from functools import cached_property, partial

from pynenc.conf.config_runner import ConfigAsyncRunner
from pynenc.runner._workers.loop_pool import LoopPool
from pynenc.runner._workers.pool_runner import PoolSession, ProcessPoolRunner


class AsyncRunner(ProcessPoolRunner, session=partial(PoolSession, pool=LoopPool)):
    """Runs coroutines on one event loop in each of `processes` worker processes: right for much I/O at a time.

    Each loop runs `concurrency` bodies. Tasks that are not coroutines run on threads there. A coroutine that awaits an
    invocation lends its slot out; a coroutine that waits without `await` gets a `RuntimeError`, because it would block
    the loop.

    Args:
        app: the app; the runner becomes its runner.
    """

    @cached_property
    def conf(self) -> ConfigAsyncRunner:
        """The settings of this runner."""
        return ConfigAsyncRunner(self.app.config_values, self.app.config_filepath)

    @property
    def max_parallel_slots(self) -> int:
        """`processes` (0 is the number of CPUs) times `concurrency`, and at least `min_parallel_slots`."""
        return max(self.conf.min_parallel_slots, (self.conf.processes or os.cpu_count() or 1) * self.conf.concurrency)
