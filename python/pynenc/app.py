"""The app: the documented face of a store, its tasks and its components."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

from pynenc import app_info
from pynenc._kernel.app_registry import AppMeta, forget_all, normalise, reduced
from pynenc._kernel.config_sources import ConfigSources
from pynenc._kernel.runtime import AppRuntime, FromAbove
from pynenc._tasks.direct import make_direct
from pynenc._tasks.not_offered import no_workflows
from pynenc._tasks.registered import register
from pynenc.identifiers import TaskId
from pynenc.task import Task, TaskOptions
from pynenc.types import Params

if TYPE_CHECKING:
    import logging
    from collections.abc import Coroutine

    from pynenc._tasks.direct import AggregateFunc, ParallelFunc
    from pynenc.app_info import AppInfo
    from pynenc.broker.base_broker import BaseBroker
    from pynenc.client_data_store.base_client_data_store import BaseClientDataStore
    from pynenc.conf.config_pynenc import ConfigPynenc
    from pynenc.core_tasks import CoreTaskDefinition
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.orchestrator.base_orchestrator import BaseOrchestrator
    from pynenc.runner.base_runner import BaseRunner
    from pynenc.serializer.base_serializer import BaseSerializer
    from pynenc.serializer.payload_codec import PayloadCodec
    from pynenc.state_backend.base_state_backend import BaseStateBackend
    from pynenc.trigger.base_trigger import BaseTrigger
    from pynenc.workflow import WorkflowContext

R = TypeVar("R")
Start = TypeVar("Start", bound=Callable[[], Any])
E = TypeVar("E", bound=Exception)
F = TypeVar("F", bound=Callable[..., Any])


class Pynenc(metaclass=AppMeta):
    """An app. `Pynenc(app_id=None, config_values=None, config_filepath=None)`, or without the leading id.

    Making one reads the configuration that names it, and starts and opens nothing. The same arguments give the same
    object, so that a module that is imported twice has one app. Picklable: what travels is the arguments, less secrets.
    """

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
        sources = ConfigSources(app_id, config_values, config_filepath)
        self._runtime = AppRuntime(self, sources, _FROM_ABOVE, payload_codec)

    # -- settings --------------------------------------------------------------------------------------------------

    @property
    def app_id(self) -> str:
        """Processes with the same id, on the same store, work together."""
        return self.conf.app_id

    @property
    def conf(self) -> ConfigPynenc:
        """The settings of the app. `ConfigError` names the field, the source and the value of what cannot work."""
        return self._runtime.conf

    @property
    def config_values(self) -> dict[str, Any]:
        """Settings that rank above the defaults and below files and the environment. May be set before the first use.

        Raises:
            AlreadyInitializedError: on setting, when the app has opened its store, or read them otherwise for good.
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
        """What encodes payloads, for example encrypts them; None leaves it to `payload_codec_cls`. Does not travel.

        Raises:
            AlreadyInitializedError: on setting, when the app has been used.
            TypeError: on setting, for what is no codec.
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
        """How many payloads this process has refused for their signature, by kind."""
        refusals = self._runtime.codec.refusals
        return {} if refusals is None else refusals.counts()

    @property
    def logger(self) -> logging.Logger:
        """The logger `pynenc.<app_id>`, set up as the settings say when first asked for."""
        return self._runtime.logger

    # -- tasks -----------------------------------------------------------------------------------------------------

    @property
    def tasks(self) -> dict[TaskId, Task[..., Any]]:
        """The tasks that are registered in this process, by id."""
        return self._runtime.tasks

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
            register(self._runtime, task)
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
            register(self._runtime, task)
            return direct

        return make if func is None else make(func)

    def get_task(self, task_id: str) -> Task[..., Any]:
        """Return the registered task with this id, which may come from the store.

        Imports at most its module, and that only if it failed when the runner started.

        Raises:
            TaskError: there is none; the message says how to have its module imported.
        """
        # Task ids hash and compare as the text they are.
        task: Task[..., Any] | None = self._runtime.tasks.get(task_id)  # type: ignore[call-overload]
        if task is None:
            from pynenc._tasks.modules import late_task

            task = late_task(self._runtime, task_id)
        return task

    def register_exception(self, cls: type[E]) -> type[E]:
        """Let a task's exceptions of this class come back as what they are. Works as a decorator.

        Builtins, pynenc's own, those that the module of the task has, and those in `retry_for` do anyway; any other
        class arrives as a `RemoteError`. `TypeError` if it is no subclass of `Exception`.
        """
        return self._runtime.codec.register_exception(cls)

    def workflow(self, func: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """`@app.workflow`, bare or with the options of a task.

        Raises:
            NotOfferedError: always, this build has no workflows. A plain task would not keep what a workflow promises.
        """

        raise no_workflows(f"@app.workflow on {getattr(func, '__qualname__', 'a function')}")

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
        runner: BaseRunner = self._runtime.runner
        return runner

    @runner.setter
    def runner(self, runner: BaseRunner) -> None:
        self._runtime.runner = runner

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
        self._runtime.worker_starts.append(function)
        return function

    # -- store -----------------------------------------------------------------------------------------------------

    def purge(self) -> None:
        """Remove every invocation of the app from the store, finished or not."""
        self._runtime.store.purge()
        self.client_data_store.purge()
        self.trigger.purge()

    @property
    def orchestrator(self) -> BaseOrchestrator:
        """Statuses, and work for a runner of your own: a view over the store."""
        from pynenc.orchestrator import BaseOrchestrator

        return self._runtime.component("orchestrator", BaseOrchestrator)

    @property
    def broker(self) -> BaseBroker:
        """The queues: a view over the store."""
        from pynenc.broker import BaseBroker

        return self._runtime.component("broker", BaseBroker)

    @property
    def state_backend(self) -> BaseStateBackend:
        """Invocations, results and histories: a view over the store."""
        from pynenc.state_backend import BaseStateBackend

        return self._runtime.component("state_backend", BaseStateBackend)

    @property
    def trigger(self) -> BaseTrigger:
        """What starts tasks by itself; in this build it says that nothing does."""
        from pynenc.trigger import BaseTrigger

        return self._runtime.component("trigger", BaseTrigger)

    @property
    def client_data_store(self) -> BaseClientDataStore:
        """Values as text and back, with the serializer of the app."""
        from pynenc.client_data_store import BaseClientDataStore

        return self._runtime.component("client_data_store", BaseClientDataStore)

    @property
    def serializer(self) -> BaseSerializer:
        """How values become text."""
        return self._runtime.serializer

    # -- identity --------------------------------------------------------------------------------------------------

    @classmethod
    def from_info(cls, info: AppInfo) -> Pynenc:
        """The app that `info` describes: the one its module has, else one made from its settings."""
        return info.load()

    @classmethod
    def _clear_instances(cls) -> None:
        """Forget every app, so that the next one with the same arguments is new. For tests."""
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
    from pynenc._execute.execution import run_claimed

    run_claimed(invocation, runner_args)


_FROM_ABOVE = FromAbove(_new_runner, _new_workflow_context, _run_claimed)


app_info.register_app_class(Pynenc)


class _TaskDecorator:
    """What `@app.task(…)` with options is, for type checkers."""

    @overload
    def __call__(self, func: Callable[Params, Coroutine[Any, Any, R]], /) -> Task[Params, R]: ...

    @overload
    def __call__(self, func: Callable[Params, R], /) -> Task[Params, R]: ...

    def __call__(self, func: Callable[..., Any], /) -> Task[..., Any]:
        raise NotImplementedError
