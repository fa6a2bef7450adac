"""Build an app step by step: `PynencBuilder().app_id("shop").sqlite("shop.db").thread_runner().build()`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Unpack
from urllib.parse import urlsplit, urlunsplit

from pynenc._compat.builder_names import NOT_OFFERED, refused
from pynenc.conf.given import check_given
from pynenc.plugin_loader import load_plugins
from pynenc.runner import BaseRunner
from pynenc.util.near_names import did_you_mean
from pynenc.util.subclasses import get_subclass

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.serializer.payload_codec import PayloadCodec
    from pynenc.task import TaskOptions

_SOURCE = "the builder"
_COMPONENTS = {"orchestrator_cls": "Orchestrator", "broker_cls": "Broker", "state_backend_cls": "StateBackend"}


class PynencBuilder:
    """Collects settings; each method returns the builder, and `build` makes the app.

    A value that cannot work raises `ConfigError` in the method that it was given to. Settings of the builder rank above
    the defaults and below files and the environment, like `config_values` of `Pynenc`. Nothing is opened or started.

    Example:
        >>> orders = PynencBuilder().app_id("orders").memory().thread_runner(max_threads=4).build()
        >>> orders.app_id, orders.conf.runner_cls
        ('orders', 'ThreadRunner')
    """

    _plugin_methods: ClassVar[dict[str, Callable[..., Any]]] = {}
    _plugin_validators: ClassVar[list[Callable[[dict[str, Any]], None]]] = []

    def __init__(self) -> None:
        load_plugins()
        self._config: dict[str, Any] = {}
        self._payload_codec: PayloadCodec | None = None

    # -- the app and its store -------------------------------------------------------------------------------------

    def app_id(self, app_id: str) -> PynencBuilder:
        """Set the name of the app. Processes with the same name, on the same store, work together.

        Args:
            app_id: up to 200 characters.
        """
        return self._set(app_id=app_id)

    def store(self, url: str) -> PynencBuilder:
        """Set the store.

        Args:
            url: `memory://`, `sqlite:///path`, `redis://host`, …
        """
        return self._set(store_url=url)

    def memory(self) -> PynencBuilder:
        """Keep everything in the memory of this process: for tests."""
        return self._components("Mem")._set(store_url="memory://")

    def sqlite(
        self, sqlite_db_path: str | PathLike[str] | None = None, *, path: str | PathLike[str] | None = None
    ) -> PynencBuilder:
        """Keep everything in a SQLite file.

        Args:
            sqlite_db_path: the file; None leaves it to the settings (`.pynenc/<app_id>.db`).
            path: the name of that parameter in pynenc 0.0.20.
        Raises:
            TypeError: both names are given.
        """
        if sqlite_db_path is not None and path is not None:
            raise TypeError("sqlite() takes the path once: sqlite_db_path and path are the same")
        path = sqlite_db_path if path is None else path
        self._components("SQLite")
        self._config.pop("store_url", None)
        return self if path is None else self._set(sqlite_db_path=str(path))

    def redis(self, url: str | None = None, db: int | None = None) -> PynencBuilder:
        """Keep everything in Redis.

        Args:
            url: `redis://`, `rediss://`, `redis+unix://`, `redis+sentinel://` or `redis+cluster://`; None leaves it to
                the settings (`redis_host`, `redis_port`, …).
            db: number of the database, instead of the one in the URL.
        """
        self._components("Redis")
        self._config.pop("store_url", None)
        if url is not None and db is not None:
            check_given({"redis_url": url, "redis_db": db}, _SOURCE)
            parts = urlsplit(url)
            url = urlunsplit(parts._replace(path=f"/{db}"))
        if url is not None:
            return self._set(redis_url=url)
        return self if db is None else self._set(redis_db=db)

    def mem_client_data_store(self, min_size_to_cache: int = 1024, local_cache_size: int = 1024) -> PynencBuilder:
        """Accept pynenc's setting. It has no effect: large arguments travel with their invocation.

        Args:
            min_size_to_cache: characters.
            local_cache_size: values.
        """
        return self._client_data_store("Mem", min_size_to_cache, local_cache_size)

    def redis_client_data_store(self, min_size_to_cache: int = 1024, local_cache_size: int = 1024) -> PynencBuilder:
        """Accept pynenc's setting. It has no effect: large arguments travel with their invocation.

        Args:
            min_size_to_cache: characters.
            local_cache_size: values.
        """
        return self._client_data_store("Redis", min_size_to_cache, local_cache_size)

    def disable_client_data_store(self) -> PynencBuilder:
        """Accept pynenc's setting. It has no effect: large arguments travel with their invocation."""
        return self._set(disable_client_data_store=True)

    def mem_trigger(self, scheduler_interval_seconds: int = 60, enable_scheduler: bool = True) -> PynencBuilder:
        """Accept pynenc's setting. This build has no triggers: declaring one raises `NotOfferedError`.

        Args:
            scheduler_interval_seconds: seconds.
            enable_scheduler: without effect.
        """
        return self._trigger("Mem", scheduler_interval_seconds, enable_scheduler)

    def redis_trigger(self, scheduler_interval_seconds: int = 60, enable_scheduler: bool = True) -> PynencBuilder:
        """Accept pynenc's setting. This build has no triggers: declaring one raises `NotOfferedError`.

        Args:
            scheduler_interval_seconds: seconds.
            enable_scheduler: without effect.
        """
        return self._trigger("Redis", scheduler_interval_seconds, enable_scheduler)

    def trigger_task_modules(self, modules: Iterable[str]) -> PynencBuilder:
        """Set the modules that a runner imports when it starts.

        Args:
            modules: their names, or one text with commas between them.
        """
        if isinstance(modules, str):
            modules = [name.strip() for name in modules.split(",")]
        return self._set(trigger_task_modules=sorted(modules) if isinstance(modules, Set) else list(modules))

    # -- the runner ------------------------------------------------------------------------------------------------

    def thread_runner(self, min_threads: int = 1, max_threads: int = 0) -> PynencBuilder:
        """Run bodies on threads of one process.

        Args:
            min_threads: the smallest number of slots.
            max_threads: the number of slots; 0 means the number of CPUs.
        """
        return self._set(runner_cls="ThreadRunner", min_threads=min_threads, max_threads=max_threads)

    def dummy_runner(self) -> PynencBuilder:
        """Run nothing: for a process that submits and waits."""
        return self._set(runner_cls="DummyRunner")

    def process_runner(self, max_processes: int = 0) -> PynencBuilder:
        """Run each invocation in a process of its own.

        Args:
            max_processes: the most bodies at a time; 0 means the number of CPUs.
        """
        return self._set(runner_cls="ProcessRunner", max_processes=max_processes)

    def persistent_process_runner(self, num_processes: int = 0) -> PynencBuilder:
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
    ) -> PynencBuilder:
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

    def async_runner(self, processes: int = 0, concurrency: int = 100) -> PynencBuilder:
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
    ) -> PynencBuilder:
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

    def dev_mode(self, force_sync_tasks: bool = True) -> PynencBuilder:
        """Run task bodies in the caller, without a store and without a runner.

        Args:
            force_sync_tasks: False turns dev mode off.
        """
        return self._set(dev_mode_force_sync_tasks=force_sync_tasks)

    def task_control(self, blocking_control: bool = False, queue_timeout_sec: float = 0.1) -> PynencBuilder:
        """Accept pynenc's setting. It has no effect: awaited invocations always go first, and nothing polls a queue.

        Args:
            blocking_control: without effect.
            queue_timeout_sec: seconds, without effect.
        """
        return self._set(blocking_control=blocking_control, queue_timeout_sec=queue_timeout_sec)

    def concurrency_control(
        self, running_concurrency: Any = None, registration_concurrency: Any = None
    ) -> PynencBuilder:
        """Set the default modes of all tasks.

        Args:
            running_concurrency: which invocations do not run at the same time, a `ConcurrencyControlType` or its text;
                None leaves the mode as it is.
            registration_concurrency: which calls are not made while an equal one is in the queue; None leaves it as it
                is.
        """
        modes = {"running_concurrency": running_concurrency, "registration_concurrency": registration_concurrency}
        return self._set(**{name: _plain(mode) for name, mode in modes.items() if mode is not None})

    def task_defaults(self, **options: Unpack[TaskOptions]) -> PynencBuilder:
        """Set options of all tasks, for those that their decorators leave out.

        Args:
            **options: as for `@app.task`, such as `max_retries=3`; see `TaskOptions`.
        """
        defaults = {name: value for name, value in options.items() if value is not None}
        return self._set(task_defaults={**self._config.get("task_defaults", {}), **defaults})

    def max_pending_seconds(self, seconds: float) -> PynencBuilder:
        """Set when `get_pending_invocations_for_recovery` lists a claimed invocation. Recovery itself goes by leases.

        Args:
            seconds: the time since the claim.
        """
        return self._set(max_pending_seconds=seconds)

    def serializer_json(self) -> PynencBuilder:
        """Encode values as JSON and decode them by annotations: the default, and safe."""
        return self._set(serializer_cls="JsonSerializer")

    def serializer_pickle(self) -> PynencBuilder:
        """Encode values as pickles: anyone who can write to the store can run code here."""
        return self._set(serializer_cls="PickleSerializer")

    def serializer_json_pickle(self) -> PynencBuilder:
        """Encode values as JSON that names classes: anyone who can write to the store can run code here."""
        return self._set(serializer_cls="JsonPickleSerializer")

    def signing(self, *keys: str) -> PynencBuilder:
        """Sign payloads, and refuse payloads that are not signed with one of the keys.

        Args:
            *keys: `id:secret` texts, newest first.
        """
        return self._set(signing_keys=list(keys))

    def payload_codec(self, codec: PayloadCodec | type[PayloadCodec] | str) -> PynencBuilder:
        """Encode payloads before they are stored, for example encrypt them.

        Args:
            codec: an instance; or a class or its name, which each process instantiates without arguments.
        """
        if isinstance(codec, (str, type)):
            self._payload_codec = None
            return self._set(payload_codec_cls=codec if isinstance(codec, str) else codec.__name__)
        self._payload_codec = codec
        return self

    # -- logging ---------------------------------------------------------------------------------------------------

    def logging(
        self,
        level: str | None = None,
        *,
        stream: str | None = None,
        colors: bool | None = None,
        fmt: str | None = None,
    ) -> PynencBuilder:
        """Set the log of the app. None leaves a setting as it is.

        Args:
            level: `debug`, `info`, `warning`, `error` or `critical`.
            stream: `stderr` or `stdout`.
            colors: whether lines on a terminal are coloured.
            fmt: `text` or `json`.
        """
        settings = {"logging_level": level, "log_stream": stream, "log_use_colors": colors, "log_format": fmt}
        return self._set(**{name: value for name, value in settings.items() if value is not None})

    def logging_level(self, level: str) -> PynencBuilder:
        """Set the level of the log.

        Args:
            level: `debug`, `info`, `warning`, `error` or `critical`.
        """
        return self.logging(level)

    def logging_stream(self, stream: str) -> PynencBuilder:
        """Set where the log goes.

        Args:
            stream: `stderr` or `stdout`.
        """
        return self.logging(stream=stream)

    def logging_colors(self, use_colors: bool) -> PynencBuilder:
        """Set whether lines of the log on a terminal are coloured.

        Args:
            use_colors: True for colours.
        """
        return self.logging(colors=use_colors)

    def logging_format(self, fmt: str) -> PynencBuilder:
        """Set the form of lines of the log.

        Args:
            fmt: `text` or `json`.
        """
        return self.logging(fmt=fmt)

    def argument_print_mode(self, mode: Any, truncate_length: int = 32) -> PynencBuilder:
        """Set how arguments appear in texts.

        Args:
            mode: `FULL`, `KEYS`, `TRUNCATED` or `HIDDEN`.
            truncate_length: characters of each argument in the mode `TRUNCATED`.
        """
        return self._set(argument_print_mode=_plain(mode), truncate_arguments_length=truncate_length)

    def hide_arguments(self) -> PynencBuilder:
        """Show no arguments in texts."""
        return self._set(argument_print_mode="HIDDEN")

    def show_argument_keys(self) -> PynencBuilder:
        """Show only the names of arguments in texts."""
        return self._set(argument_print_mode="KEYS")

    def show_full_arguments(self) -> PynencBuilder:
        """Show arguments in texts in full."""
        return self._set(argument_print_mode="FULL")

    def show_truncated_arguments(self, truncate_length: int = 32) -> PynencBuilder:
        """Show arguments in texts, cut.

        Args:
            truncate_length: characters of each argument.
        """
        return self.argument_print_mode("TRUNCATED", truncate_length)

    # -- the rest --------------------------------------------------------------------------------------------------

    def custom_config(self, **settings: Any) -> PynencBuilder:
        """Set any settings.

        Args:
            **settings: values by name of the setting.
        """
        return self._set(**settings)

    def build(self) -> Pynenc:
        """Check the settings against each other and make the app. Opens nothing.

        Returns:
            The app; the same settings give the same object.
        Raises:
            ValueError: a store in memory with a runner that runs in other processes; or a plugin's validator objects.
            ConfigError: a setting from a file or the environment is of the wrong type or out of range.
        """
        from pynenc.app import Pynenc

        self._check_memory()
        for validator in self._plugin_validators:
            validator(self._config)
        settings = dict(self._config)
        return Pynenc(config_values=settings, payload_codec=self._payload_codec)

    @classmethod
    def register_plugin_method(cls, method_name: str, method_func: Callable[..., Any]) -> None:
        """Add a method to every builder. For plugins.

        Args:
            method_name: its name.
            method_func: called with the builder and the arguments; if it returns None, the builder is returned.

        Example:
            >>> def quiet(builder: PynencBuilder) -> None:
            ...     builder.logging_level("error")
            >>> PynencBuilder.register_plugin_method("quiet", quiet)
            >>> PynencBuilder().quiet().memory().build().conf.logging_level
            'error'
        """
        cls._plugin_methods[method_name] = method_func

    @classmethod
    def register_plugin_validator(cls, validator_func: Callable[[dict[str, Any]], None]) -> None:
        """Add a check to `build`. For plugins.

        Args:
            validator_func: called with the settings; it raises `ValueError` for settings that cannot work.
        """
        cls._plugin_validators.append(validator_func)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = type(self)._plugin_methods.get(name)
        if method is None and name in NOT_OFFERED:
            return refused(name)
        if method is None:
            known = sorted(type(self)._plugin_methods)
            public = [each for each in dir(type(self)) if not each.startswith("_")]
            hint = did_you_mean(name, [*public, *known])
            raise AttributeError(
                f"{type(self).__name__} has no method {name!r}{f': {hint}' if hint else ''} "
                f"(methods of plugins: {', '.join(known) or 'none'})"
            )

        def call(*args: Any, **kwargs: Any) -> Any:
            result = method(self, *args, **kwargs)
            return self if result is None else result

        return call

    def _set(self, **settings: Any) -> PynencBuilder:
        check_given(settings, _SOURCE)
        self._config.update(settings)
        return self

    def _components(self, prefix: str) -> PynencBuilder:
        return self._set(**{field: prefix + kind for field, kind in _COMPONENTS.items()})

    def _client_data_store(self, prefix: str, min_size_to_cache: int, local_cache_size: int) -> PynencBuilder:
        return self._set(
            client_data_store_cls=f"{prefix}ClientDataStore",
            disable_client_data_store=False,
            min_size_to_cache=min_size_to_cache,
            local_cache_size=local_cache_size,
        )

    def _trigger(self, prefix: str, scheduler_interval_seconds: int, enable_scheduler: bool) -> PynencBuilder:
        return self._set(
            trigger_cls=f"{prefix}Trigger",
            scheduler_interval_seconds=scheduler_interval_seconds,
            enable_scheduler=enable_scheduler,
        )

    def _check_memory(self) -> None:
        url = self._config.get("store_url", "")
        in_memory = url.startswith("memory:") if url else self._config.get("broker_cls") == "MemBroker"
        name = self._config.get("runner_cls", "DummyRunner")
        if not in_memory or name in ("DummyRunner", "ThreadRunner"):
            return
        if not get_subclass(BaseRunner, name).mem_compatible():  # type: ignore[type-abstract]
            raise ValueError(
                f"{name} runs invocations in other processes, which cannot see a store in memory: "
                "use sqlite(path), or thread_runner()"
            )


def _plain(value: Any) -> Any:
    """An enumeration member as its text."""
    return getattr(value, "value", value)
