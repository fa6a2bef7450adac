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

    A value that cannot work raises `ConfigError` where it is given. What is set here ranks above the defaults and below
    files and the environment, like `config_values` of `Pynenc`.
    """

    _plugin_methods: ClassVar[dict[str, Callable[..., Any]]] = {}
    _plugin_validators: ClassVar[list[Callable[[dict[str, Any]], None]]] = []

    def __init__(self) -> None:
        load_plugins()
        self._config: dict[str, Any] = {}
        self._payload_codec: PayloadCodec | None = None

    # -- the app and its store -------------------------------------------------------------------------------------

    def app_id(self, app_id: str) -> PynencBuilder:
        """Name of the app: processes with the same one, on the same store, work together."""
        return self._set(app_id=app_id)

    def store(self, url: str) -> PynencBuilder:
        """The store by its URL: `memory://`, `sqlite:///path`, `redis://host`, …"""
        return self._set(store_url=url)

    def memory(self) -> PynencBuilder:
        """Keep everything in the memory of this process: for tests."""
        return self._components("Mem")._set(store_url="memory://")

    def sqlite(
        self, sqlite_db_path: str | PathLike[str] | None = None, *, path: str | PathLike[str] | None = None
    ) -> PynencBuilder:
        """Keep everything in a SQLite file; without a path in the one of the settings (`.pynenc/<app_id>.db`).

        `path` is an older name of `sqlite_db_path`.
        """
        if sqlite_db_path is not None and path is not None:
            raise TypeError("sqlite() takes the path once: sqlite_db_path and path are the same")
        path = sqlite_db_path if path is None else path
        self._components("SQLite")
        self._config.pop("store_url", None)
        return self if path is None else self._set(sqlite_db_path=str(path))

    def redis(self, url: str | None = None, db: int | None = None) -> PynencBuilder:
        """Keep everything in Redis; without a URL where the settings say (`redis_host`, `redis_port`, …).

        Args:
            url: as for `store_url`: `redis://`, `rediss://`, `redis+unix://`, `redis+sentinel://`, `redis+cluster://`.
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
        """Accepted for compatibility: large arguments travel with their invocation."""
        return self._client_data_store("Mem", min_size_to_cache, local_cache_size)

    def redis_client_data_store(self, min_size_to_cache: int = 1024, local_cache_size: int = 1024) -> PynencBuilder:
        """Accepted for compatibility, as `mem_client_data_store`."""
        return self._client_data_store("Redis", min_size_to_cache, local_cache_size)

    def disable_client_data_store(self) -> PynencBuilder:
        """Accepted for compatibility: large arguments travel with their invocation."""
        return self._set(disable_client_data_store=True)

    def mem_trigger(self, scheduler_interval_seconds: int = 60, enable_scheduler: bool = True) -> PynencBuilder:
        """Choose the trigger component by name. This build has no triggers: declaring one raises `NotOfferedError`."""
        return self._trigger("Mem", scheduler_interval_seconds, enable_scheduler)

    def redis_trigger(self, scheduler_interval_seconds: int = 60, enable_scheduler: bool = True) -> PynencBuilder:
        """As `mem_trigger`: this build has no triggers."""
        return self._trigger("Redis", scheduler_interval_seconds, enable_scheduler)

    def trigger_task_modules(self, modules: Iterable[str]) -> PynencBuilder:
        """Modules that a runner imports when it starts: names, or one text with commas between them."""
        if isinstance(modules, str):
            modules = [name.strip() for name in modules.split(",")]
        return self._set(trigger_task_modules=sorted(modules) if isinstance(modules, Set) else list(modules))

    # -- the runner ------------------------------------------------------------------------------------------------

    def thread_runner(self, min_threads: int = 1, max_threads: int = 0) -> PynencBuilder:
        """Run on threads of one process: at most `max_threads` bodies at a time, 0 for the number of CPUs."""
        return self._set(runner_cls="ThreadRunner", min_threads=min_threads, max_threads=max_threads)

    def dummy_runner(self) -> PynencBuilder:
        """Run nothing: for a process that submits and waits."""
        return self._set(runner_cls="DummyRunner")

    def process_runner(self, max_processes: int = 0) -> PynencBuilder:
        """Run each invocation in a process of its own: at most `max_processes` at a time, 0 for the number of CPUs."""
        return self._set(runner_cls="ProcessRunner", max_processes=max_processes)

    def persistent_process_runner(self, num_processes: int = 0) -> PynencBuilder:
        """Run in `num_processes` worker processes, one body at a time in each; 0 for the number of CPUs."""
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
        """Run on `max_threads` threads in each of several worker processes: as many of those as there is work for.

        With `enforce_max_processes` always `max_processes` of them. None leaves a number as it is.
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
        """Run coroutines on an event loop in each of `processes` worker processes, `concurrency` at a time on each."""
        return self._set(runner_cls="AsyncRunner", processes=processes, concurrency=concurrency)

    def runner_tuning(
        self,
        runner_loop_sleep_time_sec: float = 0.01,
        invocation_wait_results_sleep_time_sec: float = 0.01,
        min_parallel_slots: int = 1,
    ) -> PynencBuilder:
        """Pauses (seconds) of runners that poll, and the smallest number of slots."""
        return self._set(
            runner_loop_sleep_time_sec=runner_loop_sleep_time_sec,
            invocation_wait_results_sleep_time_sec=invocation_wait_results_sleep_time_sec,
            min_parallel_slots=min_parallel_slots,
        )

    # -- tasks -----------------------------------------------------------------------------------------------------

    def dev_mode(self, force_sync_tasks: bool = True) -> PynencBuilder:
        """Run task bodies in the caller, without a store or a runner."""
        return self._set(dev_mode_force_sync_tasks=force_sync_tasks)

    def task_control(self, blocking_control: bool = False, queue_timeout_sec: float = 0.1) -> PynencBuilder:
        """Accepted for compatibility: what is waited for always goes first, and nothing polls a queue."""
        return self._set(blocking_control=blocking_control, queue_timeout_sec=queue_timeout_sec)

    def concurrency_control(
        self, running_concurrency: Any = None, registration_concurrency: Any = None
    ) -> PynencBuilder:
        """Default modes of all tasks: `ConcurrencyControlType` or its text; None leaves a mode as it is."""
        modes = {"running_concurrency": running_concurrency, "registration_concurrency": registration_concurrency}
        return self._set(**{name: _plain(mode) for name, mode in modes.items() if mode is not None})

    def task_defaults(self, **options: Unpack[TaskOptions]) -> PynencBuilder:
        """Options of all tasks that their decorators leave out, such as `max_retries=3`; see `TaskOptions`."""
        defaults = {name: value for name, value in options.items() if value is not None}
        return self._set(task_defaults={**self._config.get("task_defaults", {}), **defaults})

    def max_pending_seconds(self, seconds: float) -> PynencBuilder:
        """How long an invocation may be claimed without having started."""
        return self._set(max_pending_seconds=seconds)

    def serializer_json(self) -> PynencBuilder:
        """Values travel as JSON and are decoded by annotations: the default, and safe."""
        return self._set(serializer_cls="JsonSerializer")

    def serializer_pickle(self) -> PynencBuilder:
        """Values travel as pickles: whoever can write to the store can run code here."""
        return self._set(serializer_cls="PickleSerializer")

    def serializer_json_pickle(self) -> PynencBuilder:
        """Values travel as JSON that names classes: whoever can write to the store can run code here."""
        return self._set(serializer_cls="JsonPickleSerializer")

    def signing(self, *keys: str) -> PynencBuilder:
        """Sign payloads and refuse all others; `keys` are `id:secret` texts, newest first."""
        return self._set(signing_keys=list(keys))

    def payload_codec(self, codec: PayloadCodec | type[PayloadCodec] | str) -> PynencBuilder:
        """Encode payloads, for example encrypt them.

        Args:
            codec: an instance, or a class or its name, to be instantiated without arguments in each process.
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
        """Level, stream (`stderr`, `stdout`), colours, format (`text`, `json`) of the log; None leaves one as it is."""
        settings = {"logging_level": level, "log_stream": stream, "log_use_colors": colors, "log_format": fmt}
        return self._set(**{name: value for name, value in settings.items() if value is not None})

    def logging_level(self, level: str) -> PynencBuilder:
        """Level of the log, such as `info`."""
        return self.logging(level)

    def logging_stream(self, stream: str) -> PynencBuilder:
        """`stderr` or `stdout`."""
        return self.logging(stream=stream)

    def logging_colors(self, use_colors: bool) -> PynencBuilder:
        """Whether log lines are coloured."""
        return self.logging(colors=use_colors)

    def logging_format(self, fmt: str) -> PynencBuilder:
        """`text` or `json`."""
        return self.logging(fmt=fmt)

    def argument_print_mode(self, mode: Any, truncate_length: int = 32) -> PynencBuilder:
        """How arguments appear in texts: `FULL`, `KEYS`, `TRUNCATED` (to that many characters), `HIDDEN`."""
        return self._set(argument_print_mode=_plain(mode), truncate_arguments_length=truncate_length)

    def hide_arguments(self) -> PynencBuilder:
        """Arguments do not appear in texts."""
        return self._set(argument_print_mode="HIDDEN")

    def show_argument_keys(self) -> PynencBuilder:
        """Only the names of arguments appear in texts."""
        return self._set(argument_print_mode="KEYS")

    def show_full_arguments(self) -> PynencBuilder:
        """Arguments appear in texts in full."""
        return self._set(argument_print_mode="FULL")

    def show_truncated_arguments(self, truncate_length: int = 32) -> PynencBuilder:
        """Arguments appear in texts, cut to that many characters."""
        return self.argument_print_mode("TRUNCATED", truncate_length)

    # -- the rest --------------------------------------------------------------------------------------------------

    def custom_config(self, **settings: Any) -> PynencBuilder:
        """Any setting by its name."""
        return self._set(**settings)

    def build(self) -> Pynenc:
        """Check the settings against each other and make the app.

        Raises:
            ValueError: a store in memory with a runner that runs elsewhere; or what a plugin's validator objects to.
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
        """Make `builder.<method_name>(…)` call `method_func(builder, …)`, which may return None and be chained."""
        cls._plugin_methods[method_name] = method_func

    @classmethod
    def register_plugin_validator(cls, validator_func: Callable[[dict[str, Any]], None]) -> None:
        """Call `validator_func(settings)` in `build`; it raises `ValueError` for what cannot work."""
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
