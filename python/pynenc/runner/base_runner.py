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

    `run()` calls, in this order: `on_start` (which calls `_on_start`), `runner_loop_iteration` for as long as
    `running` is set, `on_stop` (which calls `_on_stop`). An iteration takes work with
    `app.orchestrator.get_invocations_to_run(n)` and runs it with `invocation.run(runner_args)`, on whatever threads it
    likes; it does its own sleeping, for `run` adds none. From before `_on_start` until after `_on_stop` a native thread
    renews the leases of what was taken, and recovers what dead runners left; what is unfinished then goes back to the
    queue. An iteration that takes longer than `conf.loop_limit_sec` and does not ask for work, not counting bodies that
    it runs itself, counts as stuck: its claims go to other runners, and the log says so.

    Constructing a runner makes it the runner of its app. Besides the members documented here a runner has one private
    attribute, `_session`: a subclass may use every other name.
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
        """`<class>(<host>-<pid>)`, the same at each read; a forked child has its own."""
        return self._session.runner_id

    @cached_property
    def conf(self) -> ConfigRunner:
        """Settings of this runner. A subclass with settings of its own overrides this."""
        return ConfigRunner(self.app.config_values, self.app.config_filepath)

    @staticmethod
    @abstractmethod
    def mem_compatible() -> bool:
        """Whether invocations run in this process, so that it can work with a store in memory."""

    @property
    @abstractmethod
    def max_parallel_slots(self) -> int:
        """How many invocations it runs at a time."""

    @abstractmethod
    def _on_start(self) -> None:
        """Allocate what the loop needs. Raising here ends the start; `_on_stop` is not called then."""

    def on_start(self) -> None:
        """Take the stop signals (in the main thread; elsewhere a `UserWarning`), set `running`, call `_on_start`.

        Raises:
            RunnerNotExecutableError: this runner runs nothing (`DummyRunner`). Nothing was touched.
            ConfigError: the store is in memory and this runner does not run in this process. Nothing was touched.
            RunnerError: it runs already.
        """
        self._session.start()

    @abstractmethod
    def _on_stop(self) -> None:
        """Wait for or end what still runs, and release what `_on_start` took."""

    def on_stop(self) -> None:
        """Clear `running`, call `_on_stop`, hand unfinished claims back, restore the signal handlers."""
        self._session.stop()

    @abstractmethod
    def runner_loop_iteration(self) -> None:
        """One pass: take invocations, start them. Sleeps by itself when there is nothing to do."""

    @abstractmethod
    def _on_stop_runner_loop(self) -> None:
        """`running` was just cleared; perhaps inside a signal handler, so take no lock the main thread may hold."""

    def stop_runner_loop(self, signum: int | None = None, frame: FrameType | None = None) -> None:
        """Make `run` end after the current iteration. From any thread, or as a signal handler; does not wait.

        A second signal does not stop it twice: it shortens the time that running bodies are given. A call before
        `running` is set by `on_start` is without effect; `wait_until_started` tells when it is.
        """
        self._session.request_stop(signum)

    @abstractmethod
    def waiting_for_results(
        self,
        running_invocation: DistributedInvocation[Any, Any] | None,
        result_invocation: list[DistributedInvocation[Any, Any]],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        """A caller waits for the results of `result_invocation`; called in a loop until one of them is final.

        May return at any time: the caller looks again. May block until any of them is final.

        Args:
            running_invocation: the invocation in whose body the caller is; None outside of one.
            result_invocation: the invocations that the caller waits for.
            runner_args: what this runner passed to `invocation.run`.
        """

    def _waiting_for_results(
        self,
        running_invocation_id: str,
        result_invocation_ids: Sequence[str],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        """pynenc 0.4's hook, for bodies that wait. A class that overrides it needs no `waiting_for_results`.

        This one blocks for `conf.invocation_wait_results_sleep_time_sec` seconds, or until one of them is final.
        """
        seconds = self.conf.invocation_wait_results_sleep_time_sec
        self._session.waiting.wait_at_most(list(result_invocation_ids), seconds, None)

    def on_cancel(self, invocation_id: str) -> None:
        """An invocation that this runner owns is cancelled: interrupt its body, if that runs in this process.

        Called on a thread of its own; must not block. Once for each invocation, and again a second later if it raises
        because the system has no thread, process or descriptor left (`OSError`, `RuntimeError`). A runner whose bodies
        run elsewhere overrides this and ends them; what they raise then, or a claim that is handed back, counts as
        `cancelled`.
        """
        self._session.on_cancel(invocation_id)

    def get_active_child_runner_ids(self) -> list[str]:
        """The keys under which processes that this runner has started own invocations: none, unless it starts some."""
        return []

    def run(self) -> None:
        """Start, loop until `stop_runner_loop`, stop. May be called again afterwards.

        `KeyboardInterrupt` in an iteration ends the loop quietly; any other exception is logged and raised. `_on_stop`
        is called either way.
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
        """Block until `on_start` is through, for at most `timeout` seconds; whether it is."""
        return self._session.started.wait(timeout)

    def wait_until_stopped(self, timeout: float | None = 2.0) -> bool:
        """Block until `on_stop` is through (no time if it never started), at most `timeout` seconds; whether it is."""
        return self._session.stopped.wait(timeout)

    # -- members of pynenc 0.4 -------------------------------------------------------------------------------------

    @property
    def runner_context(self) -> RunnerContext:
        """The identity of this runner, in the calling process and thread."""
        return RunnerContext(type(self).__name__, str(self.runner_id))

    @property
    def queue_names_for_retrieval(self) -> QueueNames:
        """The queues that it takes work from; empty for all."""
        return QueueNames(self.conf.queues)

    async def async_waiting_for_results(
        self,
        running_invocation: Any,
        result_invocations: Sequence[Any],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        """Call `waiting_for_results` on a thread, so that the event loop is not blocked."""
        await asyncio.to_thread(self.waiting_for_results, running_invocation, list(result_invocations), runner_args)

    def init_trigger_tasks_modules(self) -> None:
        """Import the modules of `trigger_task_modules`. A start of the runner does that anyway.

        Raises whatever importing a module raises.
        """
        for name in self.app.conf.trigger_task_modules:
            importlib.import_module(name)


choose_session(BaseRunner, RunnerSession)


class DummyRunner(BaseRunner, session=ClientSession):
    """The runner of a process that runs nothing: it submits, and waits for results that other processes produce."""

    @staticmethod
    def mem_compatible() -> bool:
        """Raises `RunnerNotExecutableError`."""
        raise _not_executable()

    def _on_start(self) -> None:
        raise _not_executable()

    def _on_stop(self) -> None:
        raise _not_executable()

    def _on_stop_runner_loop(self) -> None:
        raise _not_executable()

    def runner_loop_iteration(self) -> None:
        """Raises `RunnerNotExecutableError`."""
        raise _not_executable()

    @property
    def max_parallel_slots(self) -> int:
        """Raises `RunnerNotExecutableError`."""
        raise _not_executable()

    @waits_in_rust
    def waiting_for_results(
        self,
        running_invocation: DistributedInvocation[Any, Any] | None,
        result_invocation: list[DistributedInvocation[Any, Any]],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        """Block for `conf.invocation_wait_results_sleep_time_sec` seconds, or until one of the invocations is final."""
        seconds = self.conf.invocation_wait_results_sleep_time_sec
        self._session.waiting.wait_at_most(result_invocation, seconds, running_invocation)


def _not_executable() -> RunnerNotExecutableError:
    return RunnerNotExecutableError(
        "DummyRunner runs nothing: it is for processes that only submit and wait. Set runner_cls (for example to "
        "ThreadRunner), or start workers with `pynenc --app <spec> runner start`."
    )
