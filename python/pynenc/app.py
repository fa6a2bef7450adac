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
        """Make a function of a module a task: `@app.task`, or `@app.task(max_retries=3, …)`.

        Registers the task in this process; nothing is written to the store.

        Args:
            func: the function; None returns a decorator.
            **options: see `TaskOptions`. Files and the environment override them.
        Returns:
            The `Task`, or a decorator that returns it.
        Raises:
            ValueError: a nested function, a lambda or a method.
            RuntimeError: a function of `__main__`, which a runner could not import.
            InvalidTaskOptionsError: an option that does not exist; the message names similar ones.
            ConfigError: a value of the wrong type or out of range; names the field, the source and the value.
            NotOfferedError: `triggers` or `force_new_workflow`.

        Example:
            >>> @app.task(max_retries=2, retry_for=(ConnectionError,))
            ... def greet(name: str) -> str:
            ...     return f"hello {name}"
            >>> greet("Ada").result
            'hello Ada'
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

        A call blocks as `invocation.result` does; a coroutine function stays one, and its call awaits.

        Args:
            func: the function; None returns a decorator.
            parallel_func: makes of the arguments of one call (a dict) those of many, which run in parallel: an iterable
                of argument sets, or `(common arguments, iterable of dicts)`.
            aggregate_func: makes one result of the list of results, in that order; required with `parallel_func`.
            **options: see `TaskOptions`.
        Returns:
            The function that submits, or a decorator that returns it.
        Raises:
            ValueError: `parallel_func` without `aggregate_func`; or as `task` raises.
            InvalidTaskOptionsError: `aggregate_func` without `parallel_func`; or as `task` raises.

        Example:
            >>> @app.direct_task
            ... def square(x: int) -> int:
            ...     return x * x
            >>> square(7)
            49
        """

        def make(func: Callable[..., Any]) -> Callable[..., Any]:
            task = Task(self, func, options)
            direct = make_direct(task, parallel_func, aggregate_func)
            register(self._runtime, task)
            return direct

        return make if func is None else make(func)

    def get_task(self, task_id: str) -> Task[..., Any]:
        """Return the registered task with an id, which may come from the store.

        Imports at most the module of the task, and only if that import failed when the runner started.

        Args:
            task_id: `"<module>.<function>"`.
        Returns:
            The task.
        Raises:
            TaskError: no task has this id; the message says how to have its module imported.

        Example:
            >>> app.get_task("shop.add") is add
            True
        """
        # Task ids hash and compare as the text they are.
        task: Task[..., Any] | None = self._runtime.tasks.get(task_id)  # type: ignore[call-overload]
        if task is None:
            from pynenc._tasks.modules import late_task

            task = late_task(self._runtime, task_id)
        return task

    def register_exception(self, cls: type[E]) -> type[E]:
        """Have exceptions of a class come back from tasks as that class. Works as a decorator.

        Builtins, exceptions of pynenc, those that the module of the task has, and those in `retry_for` do so anyway;
        any other class arrives as a `RemoteError`.

        Args:
            cls: the class.
        Returns:
            The class.
        Raises:
            TypeError: it is no subclass of `Exception`.

        Example:
            >>> @app.register_exception
            ... class OutOfStock(Exception):
            ...     pass
        """
        return self._runtime.codec.register_exception(cls)

    def workflow(self, func: Callable[..., Any] | None = None, /, **options: Any) -> Any:
        """Refuse: this build has no workflows, and a plain task would not keep what a workflow promises.

        Args:
            func: the function.
            **options: the options of the task.
        Returns:
            Nothing: it always raises.
        Raises:
            NotOfferedError: always.
        """

        raise no_workflows(f"@app.workflow on {getattr(func, '__qualname__', 'a function')}")

    def register_core_tasks(self) -> None:
        """Make the functions of `pynenc.core_tasks` tasks of this app. Recovery does not need them: runners recover."""
        from pynenc.core_tasks import core_tasks_registry

        for definition in core_tasks_registry:
            definition.register(self)

    def register_core_task(self, definition: CoreTaskDefinition) -> Task[..., Any]:
        """Make a function a task of this app, unless it is one.

        Args:
            definition: the function and its options.
        Returns:
            The task.
        """
        return definition.register(self)

    def register_deferred_triggers(self) -> None:
        """Return at once: a task with triggers is refused, so none is deferred."""

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

    @property
    def orchestrator(self) -> BaseOrchestrator:
        """Statuses, and work for a user's runner: a view over the store."""
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
        """The component for triggers, which this build does not have."""
        from pynenc.trigger import BaseTrigger

        return self._runtime.component("trigger", BaseTrigger)

    @property
    def client_data_store(self) -> BaseClientDataStore:
        """Values as text and back, with the serializer of the app."""
        from pynenc.client_data_store import BaseClientDataStore

        return self._runtime.component("client_data_store", BaseClientDataStore)

    @property
    def serializer(self) -> BaseSerializer:
        """The serializer that `serializer_cls` names."""
        return self._runtime.serializer

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


class _TaskDecorator:
    """The type of `@app.task(…)` with options, for type checkers."""

    @overload
    def __call__(self, func: Callable[Params, Coroutine[Any, Any, R]], /) -> Task[Params, R]: ...

    @overload
    def __call__(self, func: Callable[Params, R], /) -> Task[Params, R]: ...

    def __call__(self, func: Callable[..., Any], /) -> Task[..., Any]:
        raise NotImplementedError
