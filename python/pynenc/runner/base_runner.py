"""The interface of a runner: what runs invocations, and what waits for them outside of one."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from pynenc import _core, context
from pynenc._execute.ends_log import EndsLog, ends_log
from pynenc._execute.outcome import settle_claim
from pynenc._identity.runner_id import RunnerId
from pynenc._logs.engine import CoreLogs
from pynenc._tasks.modules import import_task_modules
from pynenc.conf.config_runner import LOOP_LIMIT_SEC, MOST_SLOTS, ConfigRunner
from pynenc.exceptions import (
    ConfigError,
    RunnerError,
    RunnerNotExecutableError,
    StateBackendError,
)
from pynenc.runner._newer_members import NewerMembers
from pynenc.runner._session import exit as at_exit
from pynenc.runner._session import newer_hook
from pynenc.runner._session.body_hooks import BodyHooks
from pynenc.runner._session.cancels import serve_cancels
from pynenc.runner._session.identity import RunnerLog
from pynenc.runner._session.liveness import LoopPulse
from pynenc.runner._session.monkey_patches import refuse_patched_modules
from pynenc.runner._session.presence import Presence
from pynenc.runner._session.queues import queue_choice
from pynenc.runner._session.recovery_minutes import RecoveryMinutes
from pynenc.runner._session.signals import SignalTakeover
from pynenc.runner._session.waiting import RunnerWaits
from pynenc.runner._session.worker_starts import call_worker_starts
from pynenc.util import clock

if TYPE_CHECKING:
    from types import FrameType

    from pynenc._execute.bodies import Bodies
    from pynenc._execute.outcome import Outcome
    from pynenc.app import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation

_PAUSE_SEC = 0.2
"""After an iteration of the loop that could not reach the store."""


class BaseRunner(RunnerWaits, BodyHooks, NewerMembers, ABC):
    """Runs the invocations of one app. Subclass it with the seven abstract members to run them your own way.

    `run()` calls, in this order: `on_start` (which calls `_on_start`), `runner_loop_iteration` for as long as
    `running` is set, `on_stop` (which calls `_on_stop`). An iteration takes work with
    `app.orchestrator.get_invocations_to_run(n)` and runs it with `invocation.run(runner_args)`, on whatever threads it
    likes; it does its own sleeping, for `run` adds none. From before `_on_start` until after `_on_stop` a native thread
    renews the leases of what was taken, and recovers what dead runners left; what is unfinished then goes back to the
    queue. An iteration that takes longer than `conf.loop_limit_sec` and does not ask for work, not counting bodies that
    it runs itself, counts as stuck: its claims go to other runners, and the log says so.

    Constructing a runner makes it the runner of its app.
    """

    _ends_log: EndsLog | None = None
    _presence: Presence | None = None
    _native_wait: ClassVar[bool] = False
    """Whether waits may go through `_wait` instead of `waiting_for_results`. Only for built-in runners."""

    _modules_imported = False
    """Whether the modules of the tasks were imported ahead of the next start."""

    _is_copy = False
    """Whether this object was inherited by a process that a body has forked."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let classes run that were written for pynenc 0.4, and whose hook for waits is `_waiting_for_results`."""
        super().__init_subclass__(**kwargs)
        newer_hook.adapt(cls, BaseRunner)

    def __init__(self, app: Pynenc) -> None:
        self.app = app
        self.running = False
        self.logger = RunnerLog(self)
        self._engine: _core.Engine | None = None
        self._deaf_since: float | None = None
        """Since when every iteration of the loop has failed for the store."""
        self._id: tuple[int, RunnerId] | None = None
        self._core_logs = CoreLogs(app.logger)
        self._recovery_minutes = RecoveryMinutes(self)
        self._signals = SignalTakeover()
        self._stop_signals = 0
        self._loop_pulse: LoopPulse | None = None
        self._started = threading.Event()
        self._stopped = threading.Event()
        self._stopped.set()
        # Last: from here on other threads can see it.
        app.runner = self

    @property
    def runner_id(self) -> RunnerId:
        """`<class>(<host>-<pid>)`, the same at each read; a forked child has its own."""
        pid = os.getpid()
        if self._id is None or self._id[0] != pid:
            self._id = (pid, RunnerId(f"{type(self).__name__}({socket.gethostname()}-{pid})"))
        return self._id[1]

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
        self._check_executable()
        self._import_modules()
        if self.mem_compatible():
            # Bodies run in this process. Those that run elsewhere have it called there.
            call_worker_starts(self.app)
        self._stop_signals = 0
        self._stopped.clear()
        try:
            self._signals.take(self.stop_runner_loop)
            self.running = True
            if self._stop_signals:
                # Arrived between the two lines above, where setting `running` would have undone it.
                self.running = False
            self.logger.info("starting")
            self._open_engine()
            self._on_start()
            self._make_known()
        except BaseException:
            self.running = False
            self._finish()
            raise
        self._started.set()

    @abstractmethod
    def _on_stop(self) -> None:
        """Wait for or end what still runs, and release what `_on_start` took."""

    def on_stop(self) -> None:
        """Clear `running`, call `_on_stop`, hand unfinished claims back, restore the signal handlers."""
        self.running = False
        self.logger.info("stopping")
        if self._engine is not None:
            self._engine.stop()
        try:
            self._on_stop()
        finally:
            self._finish()

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
        with contextlib.suppress(Exception):
            # In a handler, the stream may be amid a write of the interrupted code; no reason not to stop.
            self.logger.info("asked to stop%s", "" if signum is None else f" by {signal.Signals(signum).name}")
        if signum is not None:
            self._stop_signals += 1
        self.running = False
        engine = self._engine
        if engine is not None:
            engine.stop()
            if self._stop_signals > 1:
                engine.hurry()
        self._on_stop_runner_loop()

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
            result_invocation: those it waits for.
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
        self._wait_slice(list(result_invocation_ids), self.conf.invocation_wait_results_sleep_time_sec, None)

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
            self._loop_pulse = pulse = self._new_pulse()
            try:
                while self.running:
                    if pulse is not None:
                        pulse.beat()
                    self._iterate()
                    self._look_after()
            except KeyboardInterrupt:
                self.logger.warning("KeyboardInterrupt received, stopping")
            except Exception as error:
                self.logger.exception("Exception in runner loop: %s", error)
                raise
            finally:
                if pulse is not None:
                    pulse.end()
                self.on_stop()
        finally:
            context.current_runner.reset(token)

    def _iterate(self) -> None:
        """One iteration of the loop. A store that cannot be reached ends it only after `store_deaf_after_sec`."""
        try:
            self.runner_loop_iteration()
        except StateBackendError as error:
            now = clock.monotonic()
            self._deaf_since = since = self._deaf_since or now
            if not error.may_pass or now - since > self.app.conf.store_deaf_after_sec:
                raise
            self.logger.debug("an iteration of the runner loop failed, trying again: %s", error)
            time.sleep(_PAUSE_SEC)
        else:
            self._deaf_since = None

    def _new_pulse(self) -> LoopPulse | None:
        """Of the loop of a user's own. Built-in runners have other ways to see that their bodies live."""
        # A runner of the user's may have settings of its own kind.
        limit_sec = float(getattr(self.conf, "loop_limit_sec", LOOP_LIMIT_SEC))
        if self._native_wait or self._engine is None or limit_sec <= 0:
            return None
        return LoopPulse(self, self._engine, limit_sec)

    def _look_after(self) -> None:
        """Between two iterations, at most once a second: pass on what the engine logged, and end if it is deaf.

        And recover in the minutes that the settings name.
        """
        if not self._core_logs.drain() or self._engine is None:
            return
        with contextlib.suppress(StateBackendError):
            # What follows is about a store that fails.
            self._recovery_minutes.tick()
        if self._presence is not None:
            self._presence.tick()
        silent, limit = self._engine.failing_sec(), self.app.conf.store_deaf_after_sec
        if silent > limit:
            raise RunnerError(
                f"{self.runner_id}: the store {self.app._runtime.store.url} has failed for {silent:.0f} s without a "
                f"break, longer than store_deaf_after_sec ({limit:g} s); what ran here is recovered by others"
            )

    def wait_until_started(self, timeout: float | None = None) -> bool:
        """Block until `on_start` is through, for at most `timeout` seconds; whether it is."""
        return self._started.wait(timeout)

    def wait_until_stopped(self, timeout: float | None = 2.0) -> bool:
        """Block until `on_stop` is through (no time if it never started), at most `timeout` seconds; whether it is."""
        return self._stopped.wait(timeout)

    # -- the engine underneath -------------------------------------------------------------------------------------

    def _check_executable(self) -> None:
        if not self.mem_compatible() and self.app._runtime.store.kind == "memory":
            raise ConfigError(
                f"{type(self).__name__} runs invocations in other processes, which cannot see the store of this one: "
                f"it is {self.app._runtime.store.url!r}. Set store_url to a store that processes share, such as "
                "sqlite:///path/to/file.db, or use ThreadRunner."
            )
        if self._engine is not None:
            raise RunnerError(f"{self.runner_id} runs already: stop it and wait_until_stopped() before starting again")

    def _import_modules(self) -> None:
        """Import the modules of the app's tasks, unless that was done for this start already."""
        refuse_patched_modules(type(self).__name__)
        if self._modules_imported:
            self._modules_imported = False
        else:
            import_task_modules(self.app._runtime)
            refuse_patched_modules(type(self).__name__)

    def _slots(self) -> int:
        try:
            # One that counts slots of its own may count more than the engine takes.
            return min(max(1, self.max_parallel_slots), MOST_SLOTS)
        except Exception:
            # A subclass may know it after `_on_start` only. The engine needs it for its own threads, which such a
            # runner does not use.
            return 1

    def _timing(self, field: str) -> float:
        """A setting that an app has for all of its runners and each runner may have for itself."""
        # A runner of the user's may have settings of its own kind.
        source_of = getattr(self.conf, "source_of", None)
        own = source_of is not None and hasattr(self.conf, field) and source_of(field) != "default"
        seconds: float = getattr(self.conf if own else self.app.conf, field)
        return seconds

    def _lines(self) -> str:
        """What the engine claims: see `_core.Engine`."""
        return "both"

    def _open_engine(self) -> None:
        conf = self.app.conf
        self._engine = _core.Engine(
            self.app._runtime.store,
            str(self.runner_id),
            slots=self._slots(),
            **queue_choice(self.conf),
            lease_sec=self._timing("lease_sec"),
            max_recoveries=conf.max_recoveries,
            lines=self._lines(),
        )
        self._engine.start()
        self._ends_log = ends_log(self.app)
        self._running_bodies.clear()
        threading.Thread(target=serve_cancels, args=(self, self._engine), name="pynenc-cancels", daemon=True).start()
        at_exit.watch(self)

    @cached_property
    def _running_bodies(self) -> Bodies:
        # Imported here: it needs asyncio, which takes longer to import than all the rest; clients do without.
        from pynenc._execute.bodies import Bodies

        return Bodies(self)

    def on_cancel(self, invocation_id: str) -> None:
        """An invocation that this runner owns is cancelled: interrupt its body, if that runs in this process.

        Called on a thread of its own; must not block. Once for each invocation, and again a second later if it raises
        because the system has no thread, process or descriptor left (`OSError`, `RuntimeError`). A runner whose bodies
        run elsewhere overrides this and ends them; what they raise then, or a claim that is handed back, counts as
        `cancelled`.
        """
        if self._running_bodies.cancel(invocation_id, self._timing("cancel_grace_sec")):
            self.logger.info("invocation %s is cancelled: its body is interrupted", invocation_id)

    def _make_known(self) -> None:
        """Say what has started, here and in the store."""
        if self._engine is not None:
            self._presence = Presence(self, self._engine.key)

    def _finish(self) -> None:
        """Close the engine and undo what `on_start` did. Safe to repeat."""
        engine = self._engine
        try:
            if engine is not None:
                engine.stop()
                self._hand_back(engine)
                engine.close()
        except Exception:
            self.logger.exception("could not close the engine; what it owned is recovered when the leases end")
        finally:
            self._engine = None
            presence, self._presence = self._presence, None
            if presence is not None:
                presence.end()
            at_exit.forget(self)
            self._signals.give_back()
            self._core_logs.drain(force=True)
            self._started.clear()
            self._stopped.set()

    def _hand_back(self, engine: _core.Engine) -> None:
        """Give every unfinished claim back to the queue, and say which."""
        live = [invocation_id for invocation_id, _ in engine.live()]
        try:
            handed_back = engine.hand_back(f"{self.runner_id} stopped before it finished")
        except Exception:
            self.logger.exception("could not hand back %d invocations; their leases end soon", len(live))
            return
        if handed_back:
            shown = ", ".join(live[:20]) + (" …" if len(live) > 20 else "")
            self.logger.warning("handed %d unfinished invocations back to the queue: %s", handed_back, shown)

    def _abandon(self, patience_sec: float) -> None:
        """The program ends: give the loop that long to stop, then hand everything back from here."""
        engine = self._engine
        if engine is None:
            return
        engine.hurry()
        if not self.wait_until_stopped(patience_sec):
            engine.hand_back(f"the program of {self.runner_id} ended")
            engine.close()

    def _become_copy(self) -> None:
        """In a process that a body has forked: the engine, and all that runs here, are the parent's."""
        self._is_copy = True
        self.running = False
        self._engine = None
        self._loop_pulse = None

    def _give_up(self, claim: _core.Claim, outcome: Outcome) -> None:
        """Settle a body that does not stop; must not block. Called on a thread that keeps the time for all bodies."""
        engine = self._engine

        def settle() -> None:
            try:
                settle_claim(self.app, claim, outcome, engine)
            except Exception:
                self.logger.exception("could not record that invocation %s is abandoned", claim.invocation_id)

        threading.Thread(target=settle, name="pynenc-abandon", daemon=True).start()


class DummyRunner(BaseRunner):
    """The runner of a process that runs nothing: it submits, and waits for results that other processes produce."""

    _native_wait = True

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

    def waiting_for_results(
        self,
        running_invocation: DistributedInvocation[Any, Any] | None,
        result_invocation: list[DistributedInvocation[Any, Any]],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        """Block for `conf.invocation_wait_results_sleep_time_sec` seconds, or until one of the invocations is final."""
        self._wait_slice(result_invocation, self.conf.invocation_wait_results_sleep_time_sec, running_invocation)


def _not_executable() -> RunnerNotExecutableError:
    return RunnerNotExecutableError(
        "DummyRunner runs nothing: it is for processes that only submit and wait. Set runner_cls (for example to "
        "ThreadRunner), or start workers with `pynenc --app <spec> runner start`."
    )
