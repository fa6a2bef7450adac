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
        0.1, unit="s", above=0, doc="longest time that one call of waiting_for_results blocks; a result ends it earlier"
    )
    runner_loop_sleep_time_sec: float = setting(
        0.1,
        unit="s",
        at_least=0,
        doc="pause of runners of your own that sleep in their loop; built-in runners do not poll",
    )
    loop_limit_sec: float = setting(
        LOOP_LIMIT_SEC,
        unit="s",
        at_least=0,
        doc="for runners of your own: time without a sign of life after which a loop loses its claims; 0 means never",
    )
    min_parallel_slots: int = setting(1, unit="slots", at_least=1, at_most=MOST_SLOTS, doc="minimum number of slots")
    lease_sec: float = setting(10.0, unit="s", at_least=0.1, doc="overrides the app's setting for this runner")
    stop_grace_sec: float = setting(30.0, unit="s", at_least=0, doc="overrides the app's setting for this runner")
    cancel_grace_sec: float = setting(5.0, unit="s", at_least=0, doc="overrides the app's setting for this runner")
    queues: tuple[str, ...] = setting((), pattern=QUEUE_NAME, doc="claim from these queues only; none means all queues")
    queue_selection_strategy: QueueSelectionStrategy = setting(
        QueueSelectionStrategy.ROUND_ROBIN,
        doc="for a runner with several queues: one from each in turn, the first queue with work, or at random",
    )


class ConfigThreadRunner(ConfigRunner):
    """Slots and timing of a ThreadRunner."""

    invocation_wait_results_sleep_time_sec: float = setting(
        0.01,
        unit="s",
        above=0,
        doc="longest time that one call of waiting_for_results blocks; a result ends it earlier",
    )
    runner_loop_sleep_time_sec: float = setting(
        0.01, unit="s", at_least=0, doc="accepted for compatibility, without effect: this runner does not poll"
    )
    min_threads: int = setting(1, unit="threads", at_least=1, at_most=MOST_SLOTS, doc="minimum number of slots")
    max_threads: int = setting(
        0, unit="threads", at_least=0, at_most=MOST_SLOTS, doc="number of slots; 0 means the number of CPUs"
    )


class ConfigWorkers(ConfigRunner):
    """The settings of all runners with worker processes: when a worker is replaced although it works."""

    max_tasks_per_process: int = setting(
        0, unit="tasks", at_least=0, doc="replace a worker after about this many tasks; 0 means never"
    )
    max_rss_mb: float = setting(
        0.0, unit="MB", at_least=0, doc="replace a worker that uses this much memory; 0 means never"
    )
    worker_silent_sec: float = setting(
        30.0, unit="s", at_least=0, doc="replace a worker that is frozen for this long; 0 means never"
    )
    max_age_sec: float = setting(0.0, unit="s", at_least=0, doc="replace a worker of this age; 0 means never")


class ConfigPersistentProcessRunner(ConfigThreadRunner, ConfigWorkers):
    """Number and life of the workers of a PersistentProcessRunner."""

    num_processes: int = setting(
        0,
        unit="processes",
        at_least=0,
        at_most=MOST_SLOTS,
        doc="number of worker processes with one slot each; 0 means the number of CPUs",
    )


class ConfigMultiThreadRunner(ConfigThreadRunner, ConfigWorkers):
    """Number, size and life of the workers of a MultiThreadRunner."""

    max_threads: int = setting(
        1,
        unit="threads",
        at_least=0,
        at_most=MOST_SLOTS,
        doc="number of slots of each worker process; 0 means the number of CPUs",
    )
    min_processes: int = setting(
        1, unit="processes", at_least=1, at_most=MOST_SLOTS, doc="number of worker processes that stay without work"
    )
    max_processes: int = setting(
        0,
        unit="processes",
        at_least=0,
        at_most=MOST_SLOTS,
        doc="maximum number of worker processes; 0 means the number of CPUs",
    )
    idle_timeout_process_sec: float = setting(
        4.0, unit="s", at_least=0, doc="how long a worker process beyond min_processes may be idle"
    )
    enforce_max_processes: bool = setting(False, doc="keep max_processes worker processes at all times")


class ConfigProcessRunner(ConfigWorkers):
    """The number of processes of a ProcessRunner."""

    max_processes: int = setting(
        0,
        unit="processes",
        at_least=0,
        at_most=MOST_SLOTS,
        doc="number of bodies that run at a time, each in its own process; 0 means the number of CPUs",
    )


class ConfigAsyncRunner(ConfigWorkers):
    """The event loops of an AsyncRunner."""

    processes: int = setting(
        0,
        unit="processes",
        at_least=0,
        at_most=MOST_SLOTS,
        doc="number of worker processes with one event loop each; 0 means the number of CPUs",
    )
    concurrency: int = setting(
        100, unit="slots", at_least=1, at_most=MOST_SLOTS, doc="number of bodies that run at a time on each event loop"
    )
    loop_warning_sec: float = setting(
        1.0, unit="s", above=0, doc="how long an event loop may be blocked before the log names the task that blocks it"
    )
    loop_limit_sec: float = setting(
        30.0, unit="s", above=0, doc="how long an event loop may be blocked before it loses its claims to other runners"
    )


class ConfigRunnerSQLite(ConfigRunner, ConfigSQLite):
    """The settings of a runner and the place of the SQLite file. An app has one store: see `ConfigSQLite`."""
