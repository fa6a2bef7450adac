"""The app: the documented face of a store, its tasks and its components."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pynenc import app_info
from pynenc._app.components import AppComponents
from pynenc._app.tasks import AppTasks
from pynenc._kernel.app_registry import AppMeta, forget_all, normalise, reduced
from pynenc._kernel.config_sources import ConfigSources
from pynenc._kernel.runtime import AppRuntime, FromAbove
from pynenc.task import Task

if TYPE_CHECKING:
    import logging

    from pynenc.app_info import AppInfo
    from pynenc.conf.config_pynenc import ConfigPynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.runner.base_runner import BaseRunner
    from pynenc.serializer.payload_codec import PayloadCodec
    from pynenc.workflow import WorkflowContext

R = TypeVar("R")
Start = TypeVar("Start", bound=Callable[[], Any])
E = TypeVar("E", bound=Exception)
F = TypeVar("F", bound=Callable[..., Any])


class Pynenc(AppTasks, AppComponents, metaclass=AppMeta):
    """An app: settings, tasks and one store. Processes with the same app id on the same store work together.

    Making one reads the configuration that names it, and starts and opens nothing. The same arguments give the same
    object, so that a module that is imported twice has one app. Picklable: the pickle holds the arguments, less
    secrets. `Pynenc(config_values, config_filepath)` without the leading id works too.

    Args:
        app_id: the name of the app; None leaves it to the settings.
        config_values: settings by name. They rank above the defaults and below files and the environment.
        config_filepath: a configuration file: yaml, json or toml.
        payload_codec: encodes payloads, for example encrypts them.
    Raises:
        ConfigError: a setting that is read to name the app is of the wrong type or out of range.

    Example:
        >>> orders = Pynenc("orders", {"store_url": "memory://"})
        >>> @orders.task
        ... def total(prices: list[int]) -> int:
        ...     return sum(prices)
        >>> with isolated(orders), running(ThreadRunner(orders)):
        ...     total([3, 4]).result
        7
    """

    def __init__(
        self,
        app_id: str | None = None,
        config_values: dict[str, Any] | None = None,
        config_filepath: str | None = None,
        *,
        payload_codec: PayloadCodec | None = None,
    ) -> None:
        # The constructor of a subclass may call this one in either form.
        app_id, config_values, config_filepath = normalise(app_id, config_values, config_filepath)
        sources = ConfigSources(app_id, config_values, config_filepath)
        self._runtime = AppRuntime(self, sources, _FROM_ABOVE, payload_codec)

    # -- settings --------------------------------------------------------------------------------------------------

    @property
    def app_id(self) -> str:
        """The name of the app. Processes with the same id, on the same store, work together."""
        return self.conf.app_id

    @property
    def conf(self) -> ConfigPynenc:
        """The settings of the app. Raises `ConfigError`, which names field, source and value, if one cannot work."""
        return self._runtime.conf

    @property
    def config_values(self) -> dict[str, Any]:
        """Settings that rank above the defaults and below files and the environment. May be set before the first use.

        Raises:
            AlreadyInitializedError: on setting, after the app has opened its store or made a component or runner.
        """
        return self._runtime.sources.values

    @config_values.setter
    def config_values(self, values: dict[str, Any] | None) -> None:
        with self._runtime.reconfigured("config_values") as sources:
            sources.set_values(values)

    @property
    def config_filepath(self) -> str | None:
        """A configuration file: yaml, json or toml. May be set before the first use, as `config_values`."""
        return self._runtime.sources.filepath

    @config_filepath.setter
    def config_filepath(self, path: str | None) -> None:
        with self._runtime.reconfigured("config_filepath") as sources:
            sources.set_filepath(path)

    @property
    def payload_codec(self) -> PayloadCodec | None:
        """The object that encodes payloads; None leaves it to `payload_codec_cls`. May be set before the first use.

        It is not part of a pickle of the app.

        Raises:
            AlreadyInitializedError: on setting, after the first use of the app.
            TypeError: on setting, for an object that is no `PayloadCodec`.
        """
        return self._runtime.payload_codec

    @payload_codec.setter
    def payload_codec(self, codec: PayloadCodec | None) -> None:
        from pynenc.serializer.payload_codec import PayloadCodec

        if codec is not None and not isinstance(codec, PayloadCodec):
            raise TypeError(f"Pynenc.payload_codec must be an instance of a PayloadCodec, got {type(codec).__name__}")
        with self._runtime.reconfigured("payload_codec"):
            self._runtime.payload_codec = codec

    @property
    def refused_payloads(self) -> dict[str, int]:
        """The number of payloads that this process has refused for their signature, by kind."""
        refusals = self._runtime.codec.refusals
        return {} if refusals is None else refusals.counts()

    @property
    def logger(self) -> logging.Logger:
        """The logger `pynenc.<app_id>`, set up by the settings when it is first read."""
        return self._runtime.logger

    # -- runner ----------------------------------------------------------------------------------------------------

    @property
    def runner(self) -> BaseRunner:
        """The runner of this context, else the runner that was set last, else a new runner of the class `runner_cls`.

        Raises:
            ValueError: no imported runner has this class name.
        """
        runner: BaseRunner = self._runtime.runner
        return runner

    @runner.setter
    def runner(self, runner: BaseRunner) -> None:
        self._runtime.runner = runner

    def on_worker_start(self, function: Start) -> Start:
        """Call a function in every process that runs bodies, before the first body. Works as a decorator.

        For what processes that are forked from one must not share: random generators of your own, connections. With
        worker processes it is called in each, on `ProcessRunner` for each invocation; otherwise at each start of the
        runner. If it raises, the process does not start.

        Args:
            function: called without arguments.
        Returns:
            The function.
        Raises:
            TypeError: a coroutine function, or no function.

        Example:
            >>> rng = random.Random()
            >>> @shop.on_worker_start
            ... def new_numbers() -> None:
            ...     rng.seed()
        """
        import inspect

        if inspect.iscoroutinefunction(function) or not callable(function):
            raise TypeError(f"on_worker_start takes a plain function without arguments, not {function!r}")
        self._runtime.worker_starts.append(function)
        return function

    # -- store -----------------------------------------------------------------------------------------------------

    def purge(self) -> None:
        """Remove every invocation of the app from the store, finished or not. Blocks until the store has removed them.

        Raises:
            StateBackendError: the store cannot be used.

        Example:
            >>> with isolated(shop) as test:
            ...     invocation = pack(7)
            ...     shop.purge()
            ...     shop.orchestrator.count_invocations()
            0
        """
        self.orchestrator.purge()
        self.client_data_store.purge()
        self.trigger.purge()

    # -- identity --------------------------------------------------------------------------------------------------

    @classmethod
    def from_info(cls, info: AppInfo) -> Pynenc:
        """Return the app of a description: the variable of its module, else an app made from its settings.

        Args:
            info: the description.
        Returns:
            The app.
        Raises:
            Exception: as importing the module raises.
        """
        return info.load()

    @classmethod
    def _clear_instances(cls) -> None:
        """Forget every app, so that the next one with equal arguments is new. For tests."""
        forget_all()

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


def _new_runner(app: Pynenc) -> BaseRunner:
    from pynenc.runner.choose import configured_runner_cls

    return configured_runner_cls(app)(app)


def _new_workflow_context(task: Task[Any, Any]) -> WorkflowContext:
    from pynenc.workflow import WorkflowContext

    return WorkflowContext(task)


def _run_claimed(invocation: DistributedInvocation[Any, Any], runner_args: dict[str, Any] | None) -> None:
    from pynenc.runner._session.claims import run_claimed

    run_claimed(invocation, runner_args)


_FROM_ABOVE = FromAbove(_new_runner, _new_workflow_context, _run_claimed)


app_info.register_app_class(Pynenc)
