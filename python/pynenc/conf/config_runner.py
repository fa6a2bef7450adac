"""Settings of the runners. Every value is per process."""

from __future__ import annotations

import enum

from pynenc.conf.base import ConfigBase, setting
from pynenc.conf.config_sqlite import ConfigSQLite
from pynenc.conf.config_task import QUEUE_NAME

LOOP_LIMIT_SEC = 600.0
"""Long enough for a pass that waits for a batch of jobs elsewhere, short enough that its work is not lost for hours."""


MOST_SLOTS = 1_000_000
"""The largest number of slots, threads or processes that a runner takes: far more than a machine can serve."""


class QueueSelectionStrategy(enum.StrEnum):
    """The queue that a runner with several queues takes work from first. Priorities decide within each queue."""

    ROUND_ROBIN = "round_robin"
    RANDOM = "random"
    ORDERED = "ordered"


class ConfigRunner(ConfigBase):
    """The settings that every runner has."""

    invocation_wait_results_sleep_time_sec: float = setting(
        0.1, unit="s", above=0, doc="longest block of one call of waiting_for_results; a result ends it earlier"
    )
    runner_loop_sleep_time_sec: float = setting(
        0.1, unit="s", at_least=0, doc="for runners of your own that sleep in their loop; built-in ones do not poll"
    )
    loop_limit_sec: float = setting(
        LOOP_LIMIT_SEC,
        unit="s",
        at_least=0,
        doc="for runners of your own: a loop that gives no sign for so long loses its claims to others; 0 means never",
    )
    min_parallel_slots: int = setting(
        1, unit="slots", at_least=1, at_most=MOST_SLOTS, doc="the smallest number of slots"
    )
    lease_sec: float = setting(10.0, unit="s", at_least=0.1, doc="as of the app, for this runner alone")
    stop_grace_sec: float = setting(30.0, unit="s", at_least=0, doc="as of the app, for this runner alone")
    cancel_grace_sec: float = setting(5.0, unit="s", at_least=0, doc="as of the app, for this runner alone")
    queues: tuple[str, ...] = setting((), pattern=QUEUE_NAME, doc="take work from these queues only; none means all")
    queue_selection_strategy: QueueSelectionStrategy = setting(
        QueueSelectionStrategy.ROUND_ROBIN,
        doc="of a runner that names several queues: one from each in turn, the first that has something, or at random",
    )


class ConfigThreadRunner(ConfigRunner):
    """Slots and timing of a ThreadRunner."""

    invocation_wait_results_sleep_time_sec: float = setting(
        0.01, unit="s", above=0, doc="longest block of one call of waiting_for_results; a result ends it earlier"
    )
    runner_loop_sleep_time_sec: float = setting(
        0.01, unit="s", at_least=0, doc="accepted for compatibility, without effect: it does not poll"
    )
    min_threads: int = setting(1, unit="threads", at_least=1, at_most=MOST_SLOTS, doc="the smallest number of slots")
    max_threads: int = setting(
        0, unit="threads", at_least=0, at_most=MOST_SLOTS, doc="the number of slots; 0 is the number of CPUs"
    )


class ConfigWorkers(ConfigRunner):
    """The settings of all runners with worker processes: when a worker is replaced although it works."""

    max_tasks_per_process: int = setting(
        0, unit="tasks", at_least=0, doc="replace a worker after about so many tasks; 0 means never"
    )
    max_rss_mb: float = setting(
        0.0, unit="MB", at_least=0, doc="replace a worker that uses this much memory; 0 means never"
    )
    worker_silent_sec: float = setting(
        30.0, unit="s", at_least=0, doc="replace a worker that is frozen for so long; 0 means never"
    )
    max_age_sec: float = setting(0.0, unit="s", at_least=0, doc="replace a worker that is so old; 0 means never")


class ConfigPersistentProcessRunner(ConfigThreadRunner, ConfigWorkers):
    """Number and life of the workers of a PersistentProcessRunner."""

    num_processes: int = setting(
        0,
        unit="processes",
        at_least=0,
        at_most=MOST_SLOTS,
        doc="worker processes, a slot each; 0 is the number of CPUs",
    )


class ConfigMultiThreadRunner(ConfigThreadRunner, ConfigWorkers):
    """Number, size and life of the workers of a MultiThreadRunner."""

    max_threads: int = setting(
        1, unit="threads", at_least=0, at_most=MOST_SLOTS, doc="slots of each worker process; 0 is the number of CPUs"
    )
    min_processes: int = setting(
        1, unit="processes", at_least=1, at_most=MOST_SLOTS, doc="worker processes that stay when there is no work"
    )
    max_processes: int = setting(
        0, unit="processes", at_least=0, at_most=MOST_SLOTS, doc="most worker processes; 0 is the number of CPUs"
    )
    idle_timeout_process_sec: float = setting(
        4.0, unit="s", at_least=0, doc="how long a worker process beyond min_processes may have nothing to do"
    )
    enforce_max_processes: bool = setting(False, doc="keep max_processes at all times, whatever the load")


class ConfigProcessRunner(ConfigWorkers):
    """The number of processes of a ProcessRunner."""

    max_processes: int = setting(
        0,
        unit="processes",
        at_least=0,
        at_most=MOST_SLOTS,
        doc="bodies that run at a time, a process each; 0 is the number of CPUs",
    )


class ConfigAsyncRunner(ConfigWorkers):
    """The event loops of an AsyncRunner."""

    processes: int = setting(
        0,
        unit="processes",
        at_least=0,
        at_most=MOST_SLOTS,
        doc="worker processes, an event loop each; 0 is the number of CPUs",
    )
    concurrency: int = setting(
        100, unit="slots", at_least=1, at_most=MOST_SLOTS, doc="bodies that run at a time on each event loop"
    )
    loop_warning_sec: float = setting(
        1.0, unit="s", above=0, doc="say which task blocks an event loop when it has not ticked for so long"
    )
    loop_limit_sec: float = setting(
        30.0, unit="s", above=0, doc="a loop that has not ticked for so long loses its claims to other runners"
    )


class ConfigRunnerSQLite(ConfigRunner, ConfigSQLite):
    """The settings of a runner and the place of the SQLite file. An app has one store: see `ConfigSQLite`."""
