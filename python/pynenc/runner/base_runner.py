"""The interface of a runner: what runs invocations, and what waits for them outside of one."""

from __future__ import annotations

import asyncio
import importlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pynenc import context
from pynenc._identity.runner_context import RunnerContext
from pynenc._identity.runner_id import RunnerId
from pynenc.conf.config_runner import ConfigRunner
from pynenc.exceptions import RunnerNotExecutableError
from pynenc.runner._session import newer_hook
from pynenc.runner._session.identity import QueueNames, RunnerLog
from pynenc.runner._session.kinds import SessionFactory, choose_session, new_session, waits_in_rust
from pynenc.runner._session.session import ClientSession, RunnerSession

if TYPE_CHECKING:
    from types import FrameType

    from pynenc.app import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation


class BaseRunner(ABC):
    """Runs the invocations of one app. Subclass it with the seven abstract members to run them your own way.

    The seven members and `on_start`, `on_stop`, `stop_runner_loop` are pynenc's published interface of a runner.
    `run()` calls, in this order: `on_start` (which calls `_on_start`), `runner_loop_iteration` as long as `running` is
    set, `on_stop` (which calls `_on_stop`). An iteration takes work with `app.orchestrator.get_invocations_to_run(n)`
    and runs each with `invocation.run(runner_args)`, on any thread; it sleeps by itself, `run` adds no pause.

    From before `_on_start` until after `_on_stop` a native thread renews the leases of the claims, and recovers what
    dead runners left. Unfinished claims then go back to the queue. An iteration that takes longer than
    `conf.loop_limit_sec` without asking for work, not counting bodies that it runs itself, counts as stuck: its claims
    go to other runners, and the log says so.

    Besides the members documented here a runner has one private attribute, `_session`: a subclass may use every other
    name.

    Args:
        app: the app; the runner becomes its runner.

    Example:
        >>> class OneByOne(BaseRunner):
        ...     max_parallel_slots = 1
        ...     @staticmethod
        ...     def mem_compatible() -> bool:
        ...         return True
        ...     def _on_start(self) -> None: ...
        ...     def _on_stop(self) -> None: ...
        ...     def _on_stop_runner_loop(self) -> None: ...
        ...     def runner_loop_iteration(self) -> None:
        ...         for invocation in self.app.orchestrator.get_invocations_to_run(1, wait=0.1):
        ...             invocation.run()
        ...     def waiting_for_results(self, running_invocation, result_invocation, runner_args=None) -> None:
        ...         time.sleep(0.01)
        >>> with isolated(shop), running(OneByOne(shop)):
        ...     pack(7).get_result(timeout=10)
        'packed 7'
    """

    def __init_subclass__(cls, *, session: SessionFactory | None = None, **kwargs: Any) -> None:
        """Choose the session of a runner class, and let classes run that were written for pynenc 0.4.

        Args:
            session: makes the session of a built-in runner; that of the base class if it is not given.
        """
        super().__init_subclass__(**kwargs)
        choose_session(cls, session)
        newer_hook.adapt(cls, BaseRunner)

    def __init__(self, app: Pynenc) -> None:
        self.app = app
        self.running = False
        self.logger = RunnerLog(self)
        self._session = new_session(self)
        # Last: from here on other threads can see it.
        app.runner = self

    @property
    def runner_id(self) -> RunnerId:
        """`<class>(<host>-<pid>)`, equal at each read; a forked child has its own."""
        return self._session.runner_id

    @cached_property
    def conf(self) -> ConfigRunner:
        """The settings of this runner. A subclass with its own settings overrides this property."""
        return ConfigRunner(self.app.config_values, self.app.config_filepath)

    @staticmethod
    @abstractmethod
    def mem_compatible() -> bool:
        """Return whether bodies run in this process, so that the runner can use a store in memory.

        Returns:
            True if they do.
        """

    @property
    @abstractmethod
    def max_parallel_slots(self) -> int:
        """The number of invocations that the runner runs at a time."""

    @abstractmethod
    def _on_start(self) -> None:
        """Allocate what the loop needs. An exception ends the start; `_on_stop` is not called then."""

    def on_start(self) -> None:
        """Start: take the stop signals, import the modules with tasks, set `running`, call `_on_start`.

        Blocks until `_on_start` has returned. Outside of the main thread it takes no signals and warns (`UserWarning`).

        Raises:
            RunnerNotExecutableError: this runner runs nothing (`DummyRunner`). Nothing was changed.
            ConfigError: the store is in memory and this runner runs in other processes. Nothing was changed.
            RunnerError: it runs already, or a function of `on_worker_start` raised.
            Exception: what `_on_start` raised.
        """
        self._session.start()

    @abstractmethod
    def _on_stop(self) -> None:
        """Wait for running bodies or end them, and release what `_on_start` took."""

    def on_stop(self) -> None:
        """Stop: clear `running`, call `_on_stop`, hand unfinished claims back, restore the signal handlers.

        Blocks until `_on_stop` has returned.

        Raises:
            Exception: what `_on_stop` raised, after the rest was done.
        """
        self._session.stop()

    @abstractmethod
    def runner_loop_iteration(self) -> None:
        """Take invocations and start them, once. Sleeps by itself when there is nothing to do."""

    @abstractmethod
    def _on_stop_runner_loop(self) -> None:
        """End what the loop waits for. Called after `running` was cleared, perhaps in a signal handler.

        So it takes no lock that the main thread may hold.
        """

    def stop_runner_loop(self, signum: int | None = None, frame: FrameType | None = None) -> None:
        """Make `run` end after the current iteration. Does not wait.

        Callable from any thread, and as a signal handler. A second signal shortens the time that running bodies get. A
        call before `on_start` has set `running` has no effect; `wait_until_started` tells when it has.

        Args:
            signum: the number of the signal; None for a call from code.
            frame: accepted from Python's signal handling, not used.
        """
        self._session.request_stop(signum)

    @abstractmethod
    def waiting_for_results(
        self,
        running_invocation: DistributedInvocation[Any, Any] | None,
        result_invocation: list[DistributedInvocation[Any, Any]],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        """Wait for results on behalf of a caller, which calls this until one of them is final.

        May return at any time, because the caller checks again. May block until any of the results is final. The caller
        passes the arguments by position. Part of pynenc's published interface.

        Args:
            running_invocation: the invocation whose body waits; None outside of a body.
            result_invocation: the invocations that it waits for, a list.
            runner_args: the arguments that this runner passed to `invocation.run`.
        """

    def _waiting_for_results(
        self,
        running_invocation_id: str,
        result_invocation_ids: Sequence[str],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        """Wait for results of a body. pynenc 0.4's hook: a class that overrides it needs no `waiting_for_results`.

        Blocks for `conf.invocation_wait_results_sleep_time_sec` seconds, or until one of the results is final.

        Args:
            running_invocation_id: the invocation whose body waits.
            result_invocation_ids: the invocations that it waits for.
            runner_args: the arguments that this runner passed to `invocation.run`.
        """
        seconds = self.conf.invocation_wait_results_sleep_time_sec
        self._session.waiting.wait_at_most(list(result_invocation_ids), seconds, None)

    def on_cancel(self, invocation_id: str) -> None:
        """Interrupt the body of a cancelled invocation that this runner owns, if the body runs in this process.

        Called on a thread of its own; must not block. Called once for each invocation, and again a second later if it
        raises because the system has no thread, process or descriptor left (`OSError`, `RuntimeError`). A runner with
        bodies in other processes overrides this and ends them; what they raise then, or a claim that is handed back,
        counts as `cancelled`.

        Args:
            invocation_id: the id of the invocation.
        """
        self._session.on_cancel(invocation_id)

    def get_active_child_runner_ids(self) -> list[str]:
        """List the keys under which processes of this runner own invocations.

        Returns:
            The keys; none for a runner without processes.
        """
        return []

    def run(self) -> None:
        """Start, loop until `stop_runner_loop`, stop. Blocks until then. May be called again afterwards.

        `KeyboardInterrupt` in an iteration ends the loop quietly. `_on_stop` is called whatever ends the loop.

        Raises:
            Exception: what `on_start` raised, or an iteration, whose exception is logged too.
            RunnerError: the store has failed for `store_deaf_after_sec` without a break.
        """
        token = context.current_runner.set(self)
        try:
            self.on_start()
            self._session.watch_loop()
            try:
                while self.running:
                    self._session.iterate()
            except KeyboardInterrupt:
                self.logger.warning("KeyboardInterrupt received, stopping")
            except Exception as error:
                self.logger.exception("Exception in runner loop: %s", error)
                raise
            finally:
                self._session.end_loop()
                self.on_stop()
        finally:
            context.current_runner.reset(token)

    def wait_until_started(self, timeout: float | None = None) -> bool:
        """Block until `on_start` has returned.

        Args:
            timeout: seconds to wait; None waits without limit.
        Returns:
            Whether it has.
        """
        return self._session.started.wait(timeout)

    def wait_until_stopped(self, timeout: float | None = 2.0) -> bool:
        """Block until `on_stop` has returned. Returns at once if the runner was never started.

        Args:
            timeout: seconds to wait; None waits without limit.
        Returns:
            Whether it has.
        """
        return self._session.stopped.wait(timeout)

    # -- members of pynenc 0.4 -------------------------------------------------------------------------------------

    @property
    def runner_context(self) -> RunnerContext:
        """The identity of this runner, in the calling process and thread."""
        return RunnerContext(type(self).__name__, str(self.runner_id))

    @property
    def queue_names_for_retrieval(self) -> QueueNames:
        """The queues that the runner takes work from; empty for all."""
        return QueueNames(self.conf.queues)

    async def async_waiting_for_results(
        self,
        running_invocation: Any,
        result_invocations: Sequence[Any],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        """Call `waiting_for_results` on a thread, so that the event loop is not blocked.

        Args:
            running_invocation: the invocation whose body waits; None outside of a body.
            result_invocations: the invocations that it waits for.
            runner_args: the arguments that the runner passed to `invocation.run`.
        """
        await asyncio.to_thread(self.waiting_for_results, running_invocation, list(result_invocations), runner_args)

    def init_trigger_tasks_modules(self) -> None:
        """Import the modules of `trigger_task_modules`. A start of the runner does that anyway.

        Raises:
            Exception: as importing a module raises.
        """
        for name in self.app.conf.trigger_task_modules:
            importlib.import_module(name)


choose_session(BaseRunner, RunnerSession)


class DummyRunner(BaseRunner, session=ClientSession):
    """The runner of a process that runs nothing: it submits, and waits for results of other processes.

    Args:
        app: the app; the runner becomes its runner.
    """

    @staticmethod
    def mem_compatible() -> bool:
        """Refuse: this runner runs nothing.

        Raises:
            RunnerNotExecutableError: always.
        """
        raise _not_executable()

    def _on_start(self) -> None:
        raise _not_executable()

    def _on_stop(self) -> None:
        raise _not_executable()

    def _on_stop_runner_loop(self) -> None:
        raise _not_executable()

    def runner_loop_iteration(self) -> None:
        """Refuse: this runner runs nothing.

        Raises:
            RunnerNotExecutableError: always.
        """
        raise _not_executable()

    @property
    def max_parallel_slots(self) -> int:
        """Raises `RunnerNotExecutableError`: this runner has no slots."""
        raise _not_executable()

    @waits_in_rust
    def waiting_for_results(
        self,
        running_invocation: DistributedInvocation[Any, Any] | None,
        result_invocation: list[DistributedInvocation[Any, Any]],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        """Block for `conf.invocation_wait_results_sleep_time_sec` seconds, or until one of the results is final.

        Args:
            running_invocation: the invocation whose body waits; None outside of a body.
            result_invocation: the invocations that it waits for.
            runner_args: the arguments that the runner passed to `invocation.run`.
        """
        seconds = self.conf.invocation_wait_results_sleep_time_sec
        self._session.waiting.wait_at_most(result_invocation, seconds, running_invocation)


def _not_executable() -> RunnerNotExecutableError:
    return RunnerNotExecutableError(
        "DummyRunner runs nothing: it is for processes that only submit and wait. Set runner_cls (for example to "
        "ThreadRunner), or start workers with `pynenc --app <spec> runner start`."
    )
