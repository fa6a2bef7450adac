"""The app: names the store, holds the tasks, and makes everything else when it is first needed."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, Unpack, overload

from pynenc import context
from pynenc._apps import AppMeta, normalise, reduced
from pynenc._late_modules import LateModules
from pynenc._registered import register
from pynenc._settings_watch import SettingsWatch
from pynenc._unknown_tasks import UnknownTasks
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.conf.masking import MaskedDict
from pynenc.conf.working_folder import below, working_folder
from pynenc.direct_task import make_direct
from pynenc.exceptions import AlreadyInitializedError
from pynenc.identifiers import TaskId
from pynenc.task import Task, TaskOptions
from pynenc.types import Params

if TYPE_CHECKING:
    import asyncio
    import logging
    from collections.abc import Coroutine

    from pynenc import _core
    from pynenc._async_submit import Errands
    from pynenc.app_info import AppInfo
    from pynenc.broker.base_broker import BaseBroker
    from pynenc.client_data_store.base_client_data_store import BaseClientDataStore
    from pynenc.conf.config_broker import ConfigBroker
    from pynenc.core_tasks import CoreTaskDefinition
    from pynenc.direct_task import AggregateFunc, ParallelFunc
    from pynenc.orchestrator.base_orchestrator import BaseOrchestrator
    from pynenc.runner.base_runner import BaseRunner
    from pynenc.serializer.base_serializer import BaseSerializer
    from pynenc.serializer.codec import Codec
    from pynenc.serializer.payload_codec import PayloadCodec
    from pynenc.state_backend.base_state_backend import BaseStateBackend
    from pynenc.trigger.base_trigger import BaseTrigger

R = TypeVar("R")
T = TypeVar("T")
Start = TypeVar("Start", bound=Callable[[], Any])
E = TypeVar("E", bound=Exception)
F = TypeVar("F", bound=Callable[..., Any])


_forks = 0
"""How often this process has been forked off: what a parent has opened is not for its child."""


def _count_fork() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    # Counting costs less than asking for the process id at each call, which is a system call.
    os.register_at_fork(after_in_child=_count_fork)


class Pynenc(metaclass=AppMeta):
    """An app. `Pynenc(app_id=None, config_values=None, config_filepath=None)`, or without the leading id.

    Making one reads the configuration that names it, and starts and opens nothing. The same arguments give the same
    object, so that a module that is imported twice has one app. Picklable: what travels is the arguments, less secrets.
    """

    _by_id: ClassVar[dict[str, list[Pynenc]]] = {}
    _bootstrap: ClassVar[dict[str, Pynenc]] = {}

    def __init__(
        self,
        app_id: str | None = None,
        config_values: dict[str, Any] | None = None,
        config_filepath: str | None = None,
        *,
        payload_codec: PayloadCodec | None = None,
    ) -> None:
        # A subclass with a constructor of its own may call this one in either form.
        app_id, config_values, config_filepath = normalise(app_id, config_values, config_filepath)
        self._given_id = app_id
        # As given: what is assigned later does not make it another app.
        self._made_with = (dict(config_values or {}), config_filepath)
        self._config_values: dict[str, Any] = MaskedDict(config_values or {})
        self._folder = working_folder()
        """What relative paths among the settings are relative to."""
        self._config_filepath = None if config_filepath is None else below(self._folder, config_filepath)
        self._payload_codec = payload_codec
        self._conf: ConfigPynenc | None = None
        self._tasks: dict[TaskId, Task[..., Any]] = {}
        self._unknown_tasks = UnknownTasks()
        self._late_modules = LateModules()
        self._registrars: dict[str, str] = {}
        self._found_in = ""
        """Name of the module that the command line named, or found the app in."""
        self._lock = threading.RLock()
        self._opened: tuple[int, _core.Store, str] | None = None
        self._settings_checked = False
        self._parts: dict[str, Any] = {}
        self._runner: BaseRunner | None = None
        self._runner_made_as: str | None = None
        self._runners: weakref.WeakSet[BaseRunner] = weakref.WeakSet()
        self._hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = weakref.WeakKeyDictionary()
        self._errands_made: tuple[int, Errands] | None = None
        self._worker_starts: list[Any] = []

    # -- settings --------------------------------------------------------------------------------------------------

    @property
    def app_id(self) -> str:
        """Processes with the same id, on the same store, work together."""
        return self.conf.app_id

    @property
    def conf(self) -> ConfigPynenc:
        """The settings of the app. `ConfigError` names the field, the source and the value of what cannot work."""
        if self._conf is None:
            conf = ConfigPynenc(self.config_values, self.config_filepath)
            if self._given_id is not None:
                conf.app_id = self._given_id
            conf.__dict__.update(_watch=SettingsWatch(self), _folder=self._folder)
            self._conf = conf
        return self._conf

    @property
    def config_values(self) -> dict[str, Any]:
        """Settings that rank above the defaults and below files and the environment. May be set before the first use.

        Raises:
            AlreadyInitializedError: on setting, when the app has opened its store, or read them otherwise for good.
        """
        return self._config_values

    @config_values.setter
    def config_values(self, values: dict[str, Any] | None) -> None:
        self._reconfigure("config_values")
        self._config_values = MaskedDict(values or {})

    @property
    def config_filepath(self) -> str | None:
        """A configuration file: yaml, json or toml. May be set before the first use, as `config_values`."""
        return self._config_filepath

    @config_filepath.setter
    def config_filepath(self, path: str | None) -> None:
        self._reconfigure("config_filepath")
        self._config_filepath = None if path is None else below(working_folder(), str(path))

    @property
    def payload_codec(self) -> PayloadCodec | None:
        """What encodes payloads, for example encrypts them; None leaves it to `payload_codec_cls`. Does not travel.

        Raises:
            AlreadyInitializedError: on setting, when the app has been used.
            TypeError: on setting, for what is no codec.
        """
        return self._payload_codec

    @payload_codec.setter
    def payload_codec(self, codec: PayloadCodec | None) -> None:
        from pynenc.serializer.payload_codec import PayloadCodec

        if codec is not None and not isinstance(codec, PayloadCodec):
            raise TypeError(f"Pynenc.payload_codec must be an instance of a PayloadCodec, got {type(codec).__name__}")
        self._reconfigure("payload_codec")
        self._payload_codec = codec

    @property
    def refused_payloads(self) -> dict[str, int]:
        """How many payloads this process has refused for their signature, by kind."""
        refusals = self._codec.refusals
        return {} if refusals is None else refusals.counts()

    def _reconfigure(self, name: str) -> None:
        """Have the settings read again."""
        with self._lock:
            if self._parts or self._opened is not None or self._runner is not None:
                raise AlreadyInitializedError(
                    f"Pynenc.{name} of app {self.app_id!r} was set after the first use of the app, which would not "
                    "notice: give it to the constructor, or set it at once after that"
                )
            self._conf = None

    def _check_settings(self) -> None:
        """Say, once, which settings nobody reads."""
        if not self._settings_checked:
            self._settings_checked = True
            from pynenc.conf.unknown import warn_of_unknown_settings

            warn_of_unknown_settings(self._config_values, self._config_filepath)

    def _move(self, folder: str) -> None:
        """Make relative paths among the settings relative to `folder`, as they are in another process."""
        self._folder = folder
        if self._made_with[1] is not None:
            self._config_filepath = below(folder, self._made_with[1])
        if self._conf is not None:
            self._conf.__dict__["_folder"] = folder

    @property
    def logger(self) -> logging.Logger:
        """The logger `pynenc.<app_id>`, set up as the settings say when first asked for."""
        from pynenc.log import create_logger

        return self._part("logger", lambda: create_logger(self))

    # -- tasks -----------------------------------------------------------------------------------------------------

    @property
    def tasks(self) -> dict[TaskId, Task[..., Any]]:
        """The tasks that are registered in this process, by id."""
        return self._tasks

    @overload
    def task(
        self, func: Callable[Params, Coroutine[Any, Any, R]], /, **options: Unpack[TaskOptions]
    ) -> Task[Params, R]: ...

    @overload
    def task(self, func: Callable[Params, R], /, **options: Unpack[TaskOptions]) -> Task[Params, R]: ...

    @overload
    def task(self, func: None = None, /, **options: Unpack[TaskOptions]) -> _TaskDecorator: ...

    def task(self, func: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Make a function of a module a task: `@app.task`, or `@app.task(max_retries=3, …)`; see `TaskOptions`.

        Raises:
            ValueError: a nested function, a lambda or a method.
            RuntimeError: a function of `__main__`.
            InvalidTaskOptionsError: an option that does not exist; the message names near ones.
            ConfigError: a value of the wrong type or out of range; names the field, the source and the value.
        """

        def make(func: Callable[..., Any]) -> Task[..., Any]:
            task = Task(self, func, options)
            register(self, task)
            return task

        return make if func is None else make(func)

    @overload
    def direct_task(self, func: F, /) -> F: ...

    @overload
    def direct_task(
        self,
        func: None = None,
        /,
        *,
        parallel_func: ParallelFunc | None = None,
        aggregate_func: AggregateFunc | None = None,
        **options: Unpack[TaskOptions],
    ) -> Callable[[F], F]: ...

    def direct_task(
        self,
        func: Callable[..., Any] | None = None,
        /,
        *,
        parallel_func: ParallelFunc | None = None,
        aggregate_func: AggregateFunc | None = None,
        **options: Any,
    ) -> Any:
        """Make a function a task, but keep its name a function: calling it submits, waits and returns the result.

        Args:
            parallel_func: makes of the arguments of one call (a dict) those of many, which run in parallel: an iterable
                of argument sets, or `(common arguments, iterable of dicts)`.
            aggregate_func: makes one result of theirs, a list in that order; required with `parallel_func`.

        Raises what `task` raises; `ValueError` for `parallel_func` without `aggregate_func`.
        """

        def make(func: Callable[..., Any]) -> Callable[..., Any]:
            task = Task(self, func, options)
            direct = make_direct(task, parallel_func, aggregate_func)
            register(self, task)
            return direct

        return make if func is None else make(func)

    def get_task(self, task_id: str) -> Task[..., Any]:
        """Return the registered task with this id, which may come from the store.

        Imports at most its module, and that only if it failed when the runner started.

        Raises:
            TaskError: there is none; the message says how to have its module imported.
        """
        # Task ids hash and compare as the text they are.
        task = self._tasks.get(task_id)  # type: ignore[call-overload]
        if task is None:
            from pynenc._task_modules import late_task

            return late_task(self, task_id)
        return task  # type: ignore[no-any-return]

    def register_exception(self, cls: type[E]) -> type[E]:
        """Let a task's exceptions of this class come back as what they are. Works as a decorator.

        Builtins, pynenc's own, those that the module of the task has, and those in `retry_for` do anyway; any other
        class arrives as a `RemoteError`. `TypeError` if it is no subclass of `Exception`.
        """
        return self._codec.register_exception(cls)

    def workflow(self, func: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """`@app.workflow`, bare or with the options of a task.

        Raises:
            NotOfferedError: always, this build has no workflows. A plain task would not keep what a workflow promises.
        """
        from pynenc.workflow.exceptions import not_offered

        raise not_offered(f"@app.workflow on {getattr(func, '__qualname__', 'a function')}")

    def register_core_tasks(self) -> None:
        """Make the functions of `pynenc.core_tasks` tasks of this app. Recovery does not need them: runners recover."""
        from pynenc.core_tasks import core_tasks_registry

        for definition in core_tasks_registry:
            definition.register(self)

    def register_core_task(self, definition: CoreTaskDefinition) -> Task[..., Any]:
        """Make the function of `definition` a task of this app; the task."""
        return definition.register(self)

    def register_deferred_triggers(self) -> None:
        """Register the triggers that tasks were declared with. There are none: a task with triggers is refused."""

    # -- runner ----------------------------------------------------------------------------------------------------

    @property
    def runner(self) -> BaseRunner:
        """The runner that runs here; else the one set last; else a new one of the class that `runner_cls` names.

        Raises:
            ValueError: no imported runner is called like that.
        """
        here = context.current_runner.get()
        if here is not None and here.app is self:
            return here
        runner = self._runner
        if runner is None or (self._runner_made_as == "DummyRunner" and self.conf.runner_cls != "DummyRunner"):
            with self._lock:
                runner = self._make_runner()
        return runner

    @runner.setter
    def runner(self, runner: BaseRunner) -> None:
        with self._lock:
            self._runner = runner
            self._runner_made_as = None
            self._runners.add(runner)

    def _make_runner(self) -> BaseRunner:
        from pynenc.runner.choose import configured_runner_cls

        name = self.conf.runner_cls
        if self._runner is None or self._runner_made_as not in (None, name):
            self._runner = configured_runner_cls(self)(self)
            self._runner_made_as = name
        return self._runner

    def _has_running_runner(self) -> bool:
        """Whether a runner of this app runs in this process."""
        return any(runner.running or runner._engine is not None for runner in list(self._runners))

    def on_worker_start(self, function: Start) -> Start:
        """Call `function` in every process that runs bodies, before the first of them; a decorator.

        For what must not be shared by processes that are forked from one: random generators of your own, connections.
        With worker processes it is called in each, on ProcessRunner so for each invocation; otherwise at each start of
        the runner. If it raises, the process does not start.

        ```python
        rng = random.Random()

        @app.on_worker_start
        def new_numbers() -> None:
            rng.seed()
        ```

        Raises:
            TypeError: not a plain function without arguments that must be given.
        """
        import inspect

        if inspect.iscoroutinefunction(function) or not callable(function):
            raise TypeError(f"on_worker_start takes a plain function without arguments, not {function!r}")
        self._worker_starts.append(function)
        return function

    # -- store -----------------------------------------------------------------------------------------------------

    @property
    def _store(self) -> _core.Store:
        """The store, opened at first use, and again in a forked child."""
        opened = self._opened
        if opened is not None and opened[0] == _forks:
            return opened[1]
        return self._open_store()

    def _open_store(self) -> _core.Store:
        from pynenc._opening import open_store

        with self._lock:
            if self._opened is None or self._opened[0] != _forks:
                store, url = open_store(self)
                self._opened = (_forks, store, url)
                if url.startswith("redis"):
                    # What the store had to say about the server. A client has no thread that asks later.
                    from pynenc.runner._session.core_logs import CoreLogs

                    CoreLogs(self.logger).drain(force=True)
            return self._opened[1]

    @property
    def _errands(self) -> Errands:
        """What submits for event loops, made at first use, and again in a forked child."""
        made = self._errands_made
        if made is None or made[0] != _forks:
            from pynenc._async_submit import Errands

            with self._lock:
                made = self._errands_made
                if made is None or made[0] != _forks:
                    made = self._errands_made = (_forks, Errands())
        return made[1]

    def _opened_url(self) -> str | None:
        """The URL of the store that this process has open."""
        opened = self._opened
        return opened[2] if opened is not None and opened[0] == _forks else None

    def _on_the_same_store(self) -> list[Pynenc]:
        """The apps of this process that work on the store of this one, itself included."""
        from pynenc.conf.store_url import resolve_store_url

        url = resolve_store_url(self.conf)
        # Each app in memory has one of its own.
        alone = url.startswith("memory:")
        known = [] if alone else [app for apps in list(type(self)._by_id.values()) for app in list(apps)]
        return [self, *(app for app in known if app is not self and resolve_store_url(app.conf) == url)]

    def purge(self) -> None:
        """Remove every invocation of the app from the store, finished or not."""
        self._store.purge()
        self.client_data_store.purge()
        self.trigger.purge()

    @property
    def orchestrator(self) -> BaseOrchestrator:
        """Statuses, and work for a runner of your own: a view over the store."""
        from pynenc.orchestrator import BaseOrchestrator

        return self._component("orchestrator", BaseOrchestrator)

    @property
    def broker(self) -> BaseBroker:
        """The queues: a view over the store."""
        from pynenc.broker import BaseBroker

        return self._component("broker", BaseBroker)

    @property
    def state_backend(self) -> BaseStateBackend:
        """Invocations, results and histories: a view over the store."""
        from pynenc.state_backend import BaseStateBackend

        return self._component("state_backend", BaseStateBackend)

    @property
    def trigger(self) -> BaseTrigger:
        """What starts tasks by itself; in this build it says that nothing does."""
        from pynenc.trigger import BaseTrigger

        return self._component("trigger", BaseTrigger)

    @property
    def client_data_store(self) -> BaseClientDataStore:
        """Values as text and back, with the serializer of the app."""
        from pynenc.client_data_store import BaseClientDataStore

        return self._component("client_data_store", BaseClientDataStore)

    @property
    def serializer(self) -> BaseSerializer:
        """How values become text."""
        from pynenc.serializer import BaseSerializer
        from pynenc.util.subclasses import get_subclass

        return self._part("serializer", lambda: get_subclass(BaseSerializer, self.conf.serializer_cls)())

    @property
    def _broker_conf(self) -> ConfigBroker:
        """Queues and priorities, which also those need who only submit."""
        from pynenc.conf.config_broker import ConfigBroker

        return self._part("broker_conf", lambda: ConfigBroker(self.config_values, self.config_filepath))

    @property
    def _codec(self) -> Codec:
        """How arguments, results and exceptions become payloads."""
        codec: Codec | None = self._parts.get("codec")
        if codec is not None:
            return codec
        from pynenc.serializer.codec import codec_of

        return self._part("codec", lambda: codec_of(self))

    def _component(self, name: str, base: type[T]) -> T:
        """The component of the class that the setting `<name>_cls` names, among the imported subclasses of `base`.

        Without one: the class of our own that is called after the kind of the store.
        """
        from pynenc.conf.store_url import CLASS_PREFIX, kind_of, resolve_store_url
        from pynenc.util.subclasses import get_subclass

        def make() -> T:
            cls_name = getattr(self.conf, f"{name}_cls")
            if not cls_name:
                prefix = CLASS_PREFIX[kind_of(resolve_store_url(self.conf))]
                cls_name = base.__name__.replace("Base", prefix, 1)
            component: Callable[..., T] = get_subclass(base, cls_name)
            return component(self)

        return self._part(name, make)

    def _part(self, name: str, make: Callable[[], T]) -> T:
        part: T | None = self._parts.get(name)
        if part is None:
            with self._lock:
                part = self._parts.get(name)
                if part is None:
                    part = self._parts[name] = make()
        return part

    # -- identity --------------------------------------------------------------------------------------------------

    @classmethod
    def from_info(cls, info: AppInfo) -> Pynenc:
        """The app that `info` describes: the one its module has, else one made from its settings."""
        return info.load()

    @classmethod
    def _clear_instances(cls) -> None:
        """Forget every app, so that the next one with the same arguments is new. For tests."""
        cls._by_id.clear()
        cls._bootstrap.clear()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the id and the settings that the app was made with.

        Secrets are left out, since pickles are stored and sent, unless `multiprocessing` pickles for a process that it
        starts. Loading gives the app of that process, or makes one that has its secrets from the environment or a file.
        """
        return reduced(self)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __repr__(self) -> str:
        return f"Pynenc(app_id={self.app_id!r})"


class _TaskDecorator:
    """What `@app.task(…)` with options is, for type checkers."""

    @overload
    def __call__(self, func: Callable[Params, Coroutine[Any, Any, R]], /) -> Task[Params, R]: ...

    @overload
    def __call__(self, func: Callable[Params, R], /) -> Task[Params, R]: ...

    def __call__(self, func: Callable[..., Any], /) -> Task[..., Any]:
        raise NotImplementedError
