"""Build an app step by step: `PynencBuilder().app_id("shop").sqlite("shop.db").thread_runner().build()`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Unpack
from urllib.parse import urlsplit, urlunsplit

from pynenc._compat.builder_names import NOT_OFFERED, refused
from pynenc.conf.builder_steps import SOURCE, BuilderSteps
from pynenc.conf.given import check_given
from pynenc.plugin_loader import load_plugins, register_builder
from pynenc.runner import BaseRunner
from pynenc.util.near_names import did_you_mean
from pynenc.util.subclasses import get_subclass

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.serializer.payload_codec import PayloadCodec
    from pynenc.task import TaskOptions

_COMPONENTS = {"orchestrator_cls": "Orchestrator", "broker_cls": "Broker", "state_backend_cls": "StateBackend"}


class PynencBuilder(BuilderSteps):
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
        super().__init__()
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
        self._components("Mem")
        return self._set(store_url="memory://")

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
            check_given({"redis_url": url, "redis_db": db}, SOURCE)
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

    def task_defaults(self, **options: Unpack[TaskOptions]) -> PynencBuilder:
        """Set options of all tasks, for those that their decorators leave out.

        Args:
            **options: as for `@app.task`, such as `max_retries=3`; see `TaskOptions`.
        """
        defaults = {name: value for name, value in options.items() if value is not None}
        return self._set(task_defaults={**self._config.get("task_defaults", {}), **defaults})

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

    # -- the rest --------------------------------------------------------------------------------------------------

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


register_builder(PynencBuilder)
