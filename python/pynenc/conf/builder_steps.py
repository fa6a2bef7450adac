"""The methods of `PynencBuilder` that set the runner, the tasks and the log."""

from __future__ import annotations

from typing import Any, Self

from pynenc.conf.given import check_given

SOURCE = "the builder"
"""The source of its settings, in messages."""


class BuilderSteps:
    """Collects settings; each method returns the builder. A value that cannot work raises `ConfigError` at once."""

    def __init__(self) -> None:
        self._config: dict[str, Any] = {}

    # -- the runner ------------------------------------------------------------------------------------------------

    def thread_runner(self, min_threads: int = 1, max_threads: int = 0) -> Self:
        """Run bodies on threads of one process.

        Args:
            min_threads: the smallest number of slots.
            max_threads: the number of slots; 0 means the number of CPUs.
        """
        return self._set(runner_cls="ThreadRunner", min_threads=min_threads, max_threads=max_threads)

    def dummy_runner(self) -> Self:
        """Run nothing: for a process that submits and waits."""
        return self._set(runner_cls="DummyRunner")

    def process_runner(self, max_processes: int = 0) -> Self:
        """Run each invocation in a process of its own.

        Args:
            max_processes: the most bodies at a time; 0 means the number of CPUs.
        """
        return self._set(runner_cls="ProcessRunner", max_processes=max_processes)

    def persistent_process_runner(self, num_processes: int = 0) -> Self:
        """Run bodies in worker processes, one body at a time in each.

        Args:
            num_processes: the number of worker processes; 0 means the number of CPUs.
        """
        return self._set(runner_cls="PersistentProcessRunner", num_processes=num_processes)

    def multi_thread_runner(
        self,
        min_threads: int = 1,
        max_threads: int = 1,
        enforce_max_processes: bool = False,
        *,
        min_processes: int | None = None,
        max_processes: int | None = None,
    ) -> Self:
        """Run bodies on threads of several worker processes, as many processes as there is work for.

        Args:
            min_threads: the smallest number of slots of each process.
            max_threads: the slots of each process; 0 means the number of CPUs.
            enforce_max_processes: always keep `max_processes` processes.
            min_processes: the processes that stay without work; None leaves the setting as it is.
            max_processes: the most processes, 0 means the number of CPUs; None leaves the setting as it is.
        """
        numbers = {"min_processes": min_processes, "max_processes": max_processes}
        self._set(**{name: number for name, number in numbers.items() if number is not None})
        return self._set(
            runner_cls="MultiThreadRunner",
            min_threads=min_threads,
            max_threads=max_threads,
            enforce_max_processes=enforce_max_processes,
        )

    def async_runner(self, processes: int = 0, concurrency: int = 100) -> Self:
        """Run coroutines on one event loop in each of several worker processes.

        Args:
            processes: the number of worker processes; 0 means the number of CPUs.
            concurrency: the most bodies at a time on each event loop.
        """
        return self._set(runner_cls="AsyncRunner", processes=processes, concurrency=concurrency)

    def runner_tuning(
        self,
        runner_loop_sleep_time_sec: float = 0.01,
        invocation_wait_results_sleep_time_sec: float = 0.01,
        min_parallel_slots: int = 1,
    ) -> Self:
        """Set the pauses of runners that poll, and the smallest number of slots. Built-in runners do not poll.

        Args:
            runner_loop_sleep_time_sec: seconds between iterations, for runners of your own that sleep in their loop.
            invocation_wait_results_sleep_time_sec: seconds, the longest block of one call of `waiting_for_results`.
            min_parallel_slots: the smallest number of slots.
        """
        return self._set(
            runner_loop_sleep_time_sec=runner_loop_sleep_time_sec,
            invocation_wait_results_sleep_time_sec=invocation_wait_results_sleep_time_sec,
            min_parallel_slots=min_parallel_slots,
        )

    # -- tasks -----------------------------------------------------------------------------------------------------

    def dev_mode(self, force_sync_tasks: bool = True) -> Self:
        """Run task bodies in the caller, without a store and without a runner.

        Args:
            force_sync_tasks: False turns dev mode off.
        """
        return self._set(dev_mode_force_sync_tasks=force_sync_tasks)

    def task_control(self, blocking_control: bool = False, queue_timeout_sec: float = 0.1) -> Self:
        """Accept pynenc's setting. It has no effect: awaited invocations always go first, and nothing polls a queue.

        Args:
            blocking_control: without effect.
            queue_timeout_sec: seconds, without effect.
        """
        return self._set(blocking_control=blocking_control, queue_timeout_sec=queue_timeout_sec)

    def concurrency_control(self, running_concurrency: Any = None, registration_concurrency: Any = None) -> Self:
        """Set the default modes of all tasks.

        Args:
            running_concurrency: which invocations do not run at the same time, a `ConcurrencyControlType` or its text;
                None leaves the mode as it is.
            registration_concurrency: which calls are not made while an equal one is in the queue; None leaves it as it
                is.
        """
        modes = {"running_concurrency": running_concurrency, "registration_concurrency": registration_concurrency}
        return self._set(**{name: _plain(mode) for name, mode in modes.items() if mode is not None})

    def max_pending_seconds(self, seconds: float) -> Self:
        """Set when `get_pending_invocations_for_recovery` lists a claimed invocation. Recovery itself goes by leases.

        Args:
            seconds: the time since the claim.
        """
        return self._set(max_pending_seconds=seconds)

    def serializer_json(self) -> Self:
        """Encode values as JSON and decode them by annotations: the default, and safe."""
        return self._set(serializer_cls="JsonSerializer")

    def serializer_pickle(self) -> Self:
        """Encode values as pickles: anyone who can write to the store can run code here."""
        return self._set(serializer_cls="PickleSerializer")

    def serializer_json_pickle(self) -> Self:
        """Encode values as JSON that names classes: anyone who can write to the store can run code here."""
        return self._set(serializer_cls="JsonPickleSerializer")

    def signing(self, *keys: str) -> Self:
        """Sign payloads, and refuse payloads that are not signed with one of the keys.

        Args:
            *keys: `id:secret` texts, newest first.
        """
        return self._set(signing_keys=list(keys))

    # -- logging ---------------------------------------------------------------------------------------------------

    def logging(
        self,
        level: str | None = None,
        *,
        stream: str | None = None,
        colors: bool | None = None,
        fmt: str | None = None,
    ) -> Self:
        """Set the log of the app. None leaves a setting as it is.

        Args:
            level: `debug`, `info`, `warning`, `error` or `critical`.
            stream: `stderr` or `stdout`.
            colors: whether lines on a terminal are coloured.
            fmt: `text` or `json`.
        """
        settings = {"logging_level": level, "log_stream": stream, "log_use_colors": colors, "log_format": fmt}
        return self._set(**{name: value for name, value in settings.items() if value is not None})

    def logging_level(self, level: str) -> Self:
        """Set the level of the log.

        Args:
            level: `debug`, `info`, `warning`, `error` or `critical`.
        """
        return self.logging(level)

    def logging_stream(self, stream: str) -> Self:
        """Set where the log goes.

        Args:
            stream: `stderr` or `stdout`.
        """
        return self.logging(stream=stream)

    def logging_colors(self, use_colors: bool) -> Self:
        """Set whether lines of the log on a terminal are coloured.

        Args:
            use_colors: True for colours.
        """
        return self.logging(colors=use_colors)

    def logging_format(self, fmt: str) -> Self:
        """Set the form of lines of the log.

        Args:
            fmt: `text` or `json`.
        """
        return self.logging(fmt=fmt)

    def argument_print_mode(self, mode: Any, truncate_length: int = 32) -> Self:
        """Set how arguments appear in texts.

        Args:
            mode: `FULL`, `KEYS`, `TRUNCATED` or `HIDDEN`.
            truncate_length: characters of each argument in the mode `TRUNCATED`.
        """
        return self._set(argument_print_mode=_plain(mode), truncate_arguments_length=truncate_length)

    def hide_arguments(self) -> Self:
        """Show no arguments in texts."""
        return self._set(argument_print_mode="HIDDEN")

    def show_argument_keys(self) -> Self:
        """Show only the names of arguments in texts."""
        return self._set(argument_print_mode="KEYS")

    def show_full_arguments(self) -> Self:
        """Show arguments in texts in full."""
        return self._set(argument_print_mode="FULL")

    def show_truncated_arguments(self, truncate_length: int = 32) -> Self:
        """Show arguments in texts, cut.

        Args:
            truncate_length: characters of each argument.
        """
        return self.argument_print_mode("TRUNCATED", truncate_length)

    # -- any setting -----------------------------------------------------------------------------------------------

    def custom_config(self, **settings: Any) -> Self:
        """Set any settings.

        Args:
            **settings: values by name of the setting.
        """
        return self._set(**settings)

    def _set(self, **settings: Any) -> Self:
        check_given(settings, SOURCE)
        self._config.update(settings)
        return self


def _plain(value: Any) -> Any:
    """An enumeration member as its text."""
    return getattr(value, "value", value)
