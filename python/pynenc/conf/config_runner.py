"""Settings of the runners. Every value is per process."""

from __future__ import annotations

import enum

from pynenc.conf.base import ConfigBase, setting
from pynenc.conf.config_task import QUEUE_NAME


class QueueSelectionStrategy(enum.StrEnum):
    """In which order a runner looks at its queues. Accepted for compatibility: the order is that of the store."""

    ROUND_ROBIN = "round_robin"
    RANDOM = "random"
    ORDERED = "ordered"


class ConfigRunner(ConfigBase):
    """What every runner understands."""

    invocation_wait_results_sleep_time_sec: float = setting(
        0.1, unit="s", above=0, doc="longest block of one call of waiting_for_results; a result ends it earlier"
    )
    runner_loop_sleep_time_sec: float = setting(
        0.1, unit="s", at_least=0, doc="for runners of your own that sleep in their loop; built-in ones do not poll"
    )
    min_parallel_slots: int = setting(1, unit="slots", at_least=1, doc="the smallest number of slots")
    lease_sec: float = setting(10.0, unit="s", at_least=0.1, doc="as of the app, for this runner alone")
    stop_grace_sec: float = setting(30.0, unit="s", at_least=0, doc="as of the app, for this runner alone")
    queues: tuple[str, ...] = setting((), pattern=QUEUE_NAME, doc="take work from these queues only; none means all")
    queue_selection_strategy: QueueSelectionStrategy = setting(
        QueueSelectionStrategy.ROUND_ROBIN, doc="accepted for compatibility, without effect"
    )


class ConfigThreadRunner(ConfigRunner):
    """Slots and timing of one ThreadRunner."""

    invocation_wait_results_sleep_time_sec: float = setting(
        0.01, unit="s", above=0, doc="longest block of one call of waiting_for_results; a result ends it earlier"
    )
    runner_loop_sleep_time_sec: float = setting(
        0.01, unit="s", at_least=0, doc="accepted for compatibility, without effect: it does not poll"
    )
    min_threads: int = setting(1, unit="threads", at_least=1, doc="the smallest number of slots")
    max_threads: int = setting(0, unit="threads", at_least=0, doc="the number of slots; 0 is the number of CPUs")
