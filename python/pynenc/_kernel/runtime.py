"""The runtime of an app: what submitting, waiting, executing and the views need of it.

Nothing is opened or started when a runtime is made. Each part is made at first use.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from pynenc import context
from pynenc._kernel.per_process import OncePerProcess
from pynenc._kernel.sessions import session_of
from pynenc._kernel.settings_watch import SettingsWatch
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.exceptions import AlreadyInitializedError

if TYPE_CHECKING:
    import asyncio
    import logging

    from pynenc import _core
    from pynenc._kernel.config_sources import ConfigSources
    from pynenc._kernel.store_handle import OpenStore
    from pynenc._kernel.submit_pool import SubmitPool
    from pynenc.conf.config_broker import ConfigBroker
    from pynenc.identifiers import TaskId
    from pynenc.serializer.base_serializer import BaseSerializer
    from pynenc.serializer.codec import Codec
    from pynenc.serializer.payload_codec import PayloadCodec

T = TypeVar("T")


class HasRuntime(Protocol):
    """An object that belongs to an app: the app itself, or a task of it."""

    _runtime: AppRuntime


def runtime_of(owner: HasRuntime) -> AppRuntime:
    """Return the runtime of an app, or of the app of a task."""
    return owner._runtime


class FromAbove(NamedTuple):
    """What a runtime needs from rooms above the kernel. Only the app knows them all."""

    make_runner: Callable[[Any], Any]
    """Makes a runner of the class that `runner_cls` names, given the app."""
    make_workflow_context: Callable[[Any], Any]
    """Makes the attribute `wf` of a task, given the task."""
    run_claimed: Callable[[Any, dict[str, Any] | None], None]
    """Runs the body of an invocation that this process owns, given the invocation and the arguments of the runner."""


class AppRuntime:
    """Settings, store, codec, logger, tasks and runner of one app. Thread-safe."""

    def __init__(
        self,
        app: Any,
        sources: ConfigSources,
        from_above: FromAbove,
        payload_codec: PayloadCodec | None = None,
    ) -> None:
        """
        Args:
            app: the app as users know it, for what is handed to their code: invocations, runners, components.
            from_above: functions of rooms above the kernel.
            payload_codec: encodes payloads, for example encrypts them; None leaves it to `payload_codec_cls`.
        """
        self.app = app
        self.sources = sources
        self.from_above = from_above
        self.payload_codec = payload_codec
        self.tasks: dict[TaskId, Any] = {}
        """The registered tasks, by id."""
        self.registrars: dict[str, str] = {}
        """The module that registered a task, by the id of the task, where it is not the module of the function."""
        self.found_in = ""
        """Name of the module that the command line named, or found the app in."""
        self.worker_starts: list[Callable[[], Any]] = []
        """What `on_worker_start` registered."""
        self.runners: weakref.WeakSet[Any] = weakref.WeakSet()
        """Every runner that was made for the app in this process."""
        self._lock = OncePerProcess(threading.RLock)
        self._submit_pool = OncePerProcess(_new_pool)
        self._kept: dict[Hashable, Any] = {}
        self._settings_checked = False
        self.is_set_aside = False
        """Whether a test has given the app a state of its own."""
        self._start_anew()

    def _start_anew(self) -> None:
        """Begin without settings, store, runner, and what is made of them."""
        self._conf: ConfigPynenc | None = None
        self._runner: Any = None
        self._runner_made_as: str | None = None
        self.parts: dict[Hashable, Any] = {}
        """What was made of the settings, by name."""
        self.opened: OncePerProcess[OpenStore] = OncePerProcess(self._open)
        """The store, opened at first use and again in a forked child."""
        self.loop_bridges: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = weakref.WeakKeyDictionary()
        """What event loops await of the app."""

    # -- settings --------------------------------------------------------------------------------------------------

    @property
    def app_id(self) -> str:
        """The id of the app. Processes with the same id, on the same store, work together."""
        return self.conf.app_id

    @property
    def conf(self) -> ConfigPynenc:
        """The settings of the app.

        Raises:
            ConfigError: a setting cannot work; the message names the field, the source and the value.
        """
        if self._conf is None:
            conf = ConfigPynenc(self.sources.values, self.sources.filepath)
            if self.sources.given_id is not None:
                conf.app_id = self.sources.given_id
            conf.__dict__.update(_watch=SettingsWatch(self), _folder=self.sources.folder)
            self._conf = conf
        return self._conf

    @property
    def config_values(self) -> dict[str, Any]:
        """Settings that rank above the defaults and below files and the environment."""
        return self.sources.values

    @property
    def config_filepath(self) -> str | None:
        """The configuration file that the app was given."""
        return self.sources.filepath

    @contextlib.contextmanager
    def reconfigured(self, name: str) -> Iterator[ConfigSources]:
        """Within this block a source of the settings changes; they are read again afterwards.

        Raises:
            AlreadyInitializedError: the app was used before.
        """
        with self._lock.get():
            if self.parts or self.opened.peek() is not None or self._runner is not None:
                raise AlreadyInitializedError(
                    f"Pynenc.{name} of app {self.app_id!r} cannot change after the first use of the app: pass it to "
                    "the constructor, or set it right after"
                )
            yield self.sources
            self._conf = None

    def move(self, folder: str) -> None:
        """Make relative paths among the settings relative to `folder`, as they are in another process."""
        self.sources.move(folder)
        if self._conf is not None:
            self._conf.__dict__["_folder"] = folder

    def check_settings(self) -> None:
        """Warn, once, of settings that nothing reads."""
        if not self._settings_checked:
            self._settings_checked = True
            from pynenc.conf.unknown import warn_of_unknown_settings

            warn_of_unknown_settings(self.sources.values, self.sources.filepath)

    # -- parts -----------------------------------------------------------------------------------------------------

    def part(self, name: Hashable, make: Callable[[], T]) -> T:
        """Return the part of this name; the first call makes it. It is made anew when the settings are set aside."""
        part: T | None = self.parts.get(name)
        if part is None:
            with self._lock.get():
                part = self.parts.get(name)
                if part is None:
                    part = self.parts[name] = make()
        return part

    def kept(self, make: Callable[[], T]) -> T:
        """Return what `make` has made for this app; the first call makes it. It stays when the settings change."""
        kept: T | None = self._kept.get(make)
        if kept is None:
            with self._lock.get():
                kept = self._kept.setdefault(make, make())
        return kept

    @property
    def logger(self) -> logging.Logger:
        """The logger `pynenc.<app_id>`, set up as the settings say."""
        logger: logging.Logger | None = self.parts.get("logger")
        if logger is not None:
            return logger
        from pynenc._logs.app_logger import create_logger

        return self.part("logger", lambda: create_logger(self))

    @property
    def serializer(self) -> BaseSerializer:
        """The serializer that `serializer_cls` names."""
        from pynenc.serializer import BaseSerializer
        from pynenc.util.subclasses import configured_subclass

        return self.part("serializer", lambda: configured_subclass(BaseSerializer, self.conf, "serializer_cls")())

    @property
    def codec(self) -> Codec:
        """The codec: arguments, results and exceptions to payloads, and back."""
        codec: Codec | None = self.parts.get("codec")
        if codec is not None:
            return codec
        from pynenc.serializer.codec import codec_of

        return self.part("codec", lambda: codec_of(self.app))

    @property
    def queues(self) -> ConfigBroker:
        """The settings of queues and priorities."""
        from pynenc.conf.config_broker import ConfigBroker

        return self.part("queues", lambda: ConfigBroker(self.sources.values, self.sources.filepath))

    def component(self, name: str, base: type[T]) -> T:
        """Return the component of the class that the setting `<name>_cls` names; see `component_class`."""
        from pynenc._kernel.components import component_class

        return self.part(name, lambda: component_class(self.conf, name, base)(self.app))

    # -- store -----------------------------------------------------------------------------------------------------

    @property
    def store(self) -> _core.Store:
        """The store, opened at first use, and again in a forked child."""
        opened = self.opened.peek()
        if opened is None:
            # Always in this order: the constructor of a component, which runs under this lock, may open the store.
            with self._lock.get():
                opened = self.opened.get()
        return opened.store

    @property
    def opened_url(self) -> str | None:
        """The URL of the store that this process has open; None if it has none open."""
        opened = self.opened.peek()
        return None if opened is None else opened.url

    def _open(self) -> OpenStore:
        from pynenc._kernel.store_handle import open_store

        self.check_settings()
        return open_store(self.conf, self.logger)

    @property
    def submit_pool(self) -> SubmitPool:
        """The threads that submit for event loops, and ask the store for them."""
        return self._submit_pool.get()

    # -- runner ----------------------------------------------------------------------------------------------------

    @property
    def runner(self) -> Any:
        """The runner that runs here; else the runner set last; else a new one of the class that `runner_cls` names.

        Raises:
            ValueError: no imported runner has the name that `runner_cls` has.
        """
        here = context.current_runner.get()
        if here is not None and here.app is self.app:
            return here
        runner = self._runner
        if runner is None or (self._runner_made_as == "DummyRunner" and self.conf.runner_cls != "DummyRunner"):
            with self._lock.get():
                name = self.conf.runner_cls
                if self._runner is None or self._runner_made_as not in (None, name):
                    self._runner = self.from_above.make_runner(self.app)
                    self._runner_made_as = name
                runner = self._runner
        return runner

    @runner.setter
    def runner(self, runner: Any) -> None:
        with self._lock.get():
            self._runner = runner
            self._runner_made_as = None
            self.runners.add(runner)

    def has_running_runner(self) -> bool:
        """Whether a runner of this app runs in this process."""
        return any(runner.running or session_of(runner).engine is not None for runner in list(self.runners))

    # -- tests -----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def set_aside(self) -> Iterator[None]:
        """Within this block the app has no settings, store or runner yet, and makes its own. For tests."""
        kept = (self._conf, self.opened, self.parts, self._runner, self._runner_made_as, self.loop_bridges)
        was_set_aside, self.is_set_aside = self.is_set_aside, True
        self._start_anew()
        # The logger has handlers. A second logger would write each line twice.
        self.parts = {name: part for name, part in kept[2].items() if name == "logger"}
        try:
            yield
        finally:
            self.is_set_aside = was_set_aside
            self._conf, self.opened, self.parts, self._runner, self._runner_made_as, self.loop_bridges = kept


def _new_pool() -> SubmitPool:
    # Imported here: a process without event loops has no use for asyncio.
    from pynenc._kernel.submit_pool import SubmitPool

    return SubmitPool()
