"""What a runner is made of, beside its interface: engine, waits, signals, logs, and its life from start to stop."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING

from pynenc._execute.ends_log import ends_log
from pynenc._identity.runner_id import RunnerId
from pynenc._kernel.runtime import runtime_of
from pynenc._logs.engine import CoreLogs
from pynenc._tasks.modules import import_task_modules
from pynenc.conf.config_runner import LOOP_LIMIT_SEC
from pynenc.exceptions import ConfigError, RunnerError, StateBackendError
from pynenc.runner._session import exit as at_exit
from pynenc.runner._session.body_hooks import SessionHooks
from pynenc.runner._session.cancels import serve_cancels
from pynenc.runner._session.engine import hand_back, open_engine, timing_of
from pynenc.runner._session.kinds import is_wait_in_rust
from pynenc.runner._session.liveness import LoopLiveness
from pynenc.runner._session.monkey_patches import refuse_patched_modules
from pynenc.runner._session.presence import Presence
from pynenc.runner._session.recovery_minutes import RecoveryMinutes
from pynenc.runner._session.signals import SignalTakeover
from pynenc.runner._session.waiting import Waiting
from pynenc.runner._session.worker_starts import call_worker_starts
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._kernel.runtime import AppRuntime
    from pynenc.runner._session.identity import RunnerLog
    from pynenc.runner._session.slot_threads import SlotThreads
    from pynenc.runner.base_runner import BaseRunner

_PAUSE_SEC = 0.2
"""After an iteration of the loop that could not reach the store."""


class RunnerSession:
    """The machinery of one runner. The runner keeps it as `_session`, and has no other private attribute.

    So a subclass of `BaseRunner` may give its own attributes and methods whatever names it likes. This class is the
    session of a runner whose loop a user has written; built-in runners and workers have sessions derived from it.
    """

    is_built_in = False
    """Whether the loop is ours, so that it need not be watched."""

    lines = "both"
    """Which invocations the engine claims; see `_core.Engine`."""

    def __init__(self, runner: BaseRunner) -> None:
        self.runner = runner
        self.app = runner.app
        self.runtime: AppRuntime = runtime_of(runner.app)
        self.engine: _core.Engine | None = None
        self.slot_threads: SlotThreads | None = None
        self.liveness: LoopLiveness | None = None
        self.modules_imported = False
        """Whether the modules of the tasks were imported ahead of the next start."""
        self.is_copy = False
        """Whether this object was inherited by a process that a body has forked."""
        self.stop_signals = 0
        self.stop_began = 0.0
        """When the last stop began, by the monotonic clock."""
        self.started = threading.Event()
        self.stopped = threading.Event()
        self.stopped.set()
        self.signals = SignalTakeover()
        self.core_logs = CoreLogs(self.app.logger)
        self.recovery_minutes = RecoveryMinutes(runner)
        self.hooks = self.new_hooks()
        self.waiting = self.new_waiting()
        self._id: tuple[int, RunnerId] | None = None
        self._presence: Presence | None = None
        self._deaf_since: float | None = None
        """Since when every iteration of the loop has failed for the store."""

    @property
    def runner_id(self) -> RunnerId:
        """`<class>(<host>-<pid>)`, the same at each read; a forked child has its own."""
        pid = os.getpid()
        if self._id is None or self._id[0] != pid:
            self._id = (pid, RunnerId(f"{type(self.runner).__name__}({socket.gethostname()}-{pid})"))
        return self._id[1]

    @property
    def logger(self) -> RunnerLog:
        """The logger of the runner."""
        return self.runner.logger

    @property
    def waits_in_rust(self) -> bool:
        """Whether a wait stays in Rust: not if a subclass has brought its own `waiting_for_results`."""
        # In a process that a body has forked, the runner cannot be asked: it runs in the parent.
        return self.is_copy or is_wait_in_rust(self.runner)

    def new_hooks(self) -> SessionHooks:
        """Make the hooks of the bodies that run here."""
        return SessionHooks(self)

    def new_waiting(self) -> Waiting:
        """Make what the waits of bodies go through."""
        return Waiting(self)

    def timing(self, field: str) -> float:
        """Return a setting that an app has for all of its runners and each runner may have for itself, in seconds."""
        return timing_of(self.runner, field)

    # -- start -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the runner; `BaseRunner.on_start` documents it."""
        runner = self.runner
        self.check_executable()
        self.import_modules()
        if runner.mem_compatible():
            # Bodies run in this process. Where they run elsewhere, that process calls them.
            call_worker_starts(self.app)
        self.stop_signals = 0
        self.stopped.clear()
        try:
            self.signals.take(runner.stop_runner_loop)
            runner.running = True
            if self.stop_signals:
                # Arrived between the two lines above, where setting `running` would have undone it.
                runner.running = False
            runner.logger.debug("starting")
            self.open()
            runner._on_start()
            self.make_known()
        except BaseException:
            runner.running = False
            self.finish()
            raise
        self.started.set()

    def check_executable(self) -> None:
        """Raise `ConfigError` for a store that the runner cannot share, and `RunnerError` if it runs already."""
        runner, store = self.runner, self.runtime.store
        if not runner.mem_compatible() and store.kind == "memory":
            raise ConfigError(
                f"{type(runner).__name__} runs invocations in other processes, which cannot see the store of this one: "
                f"it is {store.url!r}. Set store_url to a store that processes share, such as "
                "sqlite:///path/to/file.db, or use ThreadRunner."
            )
        if self.engine is not None:
            raise RunnerError(
                f"{runner.runner_id} runs already: stop it and wait_until_stopped() before starting again"
            )

    def import_modules(self) -> None:
        """Import the modules of the app's tasks, unless that was done for this start already."""
        name = type(self.runner).__name__
        refuse_patched_modules(name)
        if self.modules_imported:
            self.modules_imported = False
        else:
            import_task_modules(self.runtime)
            refuse_patched_modules(name)

    def import_ahead(self) -> None:
        """Import the modules of the app's tasks before the next start, which does not do it again."""
        self.modules_imported = False
        self.import_modules()
        self.modules_imported = True

    def open(self) -> None:
        """Open the engine, and start the thread that serves cancellations."""
        self.engine = open_engine(self.runner, self.lines)
        self.hooks.ends_log = ends_log(self.app, self.hooks.runner)
        self.hooks.bodies.clear()
        threading.Thread(target=serve_cancels, args=(self, self.engine), name="pynenc-cancels", daemon=True).start()
        at_exit.watch(self)

    def make_known(self) -> None:
        """Log what has started, and write it to the store, where clients read it."""
        if self.engine is not None:
            self._presence = Presence(self.runner, self.engine.key)

    # -- loop ------------------------------------------------------------------------------------------------------

    def watch_loop(self) -> None:
        """Watch the loop from now on, if a user has written it: its claims live for as long as it goes round."""
        # A user's runner may have settings of another class.
        limit_sec = float(getattr(self.runner.conf, "loop_limit_sec", LOOP_LIMIT_SEC))
        self.liveness = None
        if not self.is_built_in and self.engine is not None and limit_sec > 0:
            self.liveness = LoopLiveness(self.logger, self.engine, limit_sec)

    def iterate(self) -> None:
        """Run one iteration of the loop. A store that cannot be reached ends it only after `store_deaf_after_sec`."""
        if self.liveness is not None:
            self.liveness.beat()
        try:
            self.runner.runner_loop_iteration()
        except StateBackendError as error:
            now = clock.monotonic()
            self._deaf_since = since = self._deaf_since or now
            if not error.may_pass or now - since > self.app.conf.store_deaf_after_sec:
                raise
            self.logger.debug("an iteration of the runner loop failed, trying again: %s", error)
            time.sleep(_PAUSE_SEC)
        else:
            self._deaf_since = None
        self.look_after()

    def look_after(self) -> None:
        """Between two iterations, at most once a second: pass on what the engine logged, and end if it is deaf.

        And recover in the minutes that the settings name.
        """
        if not self.core_logs.drain() or self.engine is None:
            return
        with contextlib.suppress(StateBackendError):
            # The rest of this method deals with a store that fails.
            self.recovery_minutes.tick()
        if self._presence is not None:
            self._presence.tick()
        silent, limit = self.engine.failing_sec(), self.app.conf.store_deaf_after_sec
        if silent > limit:
            raise RunnerError(
                f"{self.runner.runner_id}: the store {self.runtime.store.url} has failed for {silent:.0f} s without a "
                f"break, longer than store_deaf_after_sec ({limit:g} s); what ran here is recovered by others"
            )

    def end_loop(self) -> None:
        """Watch the loop no longer: it has ended."""
        if self.liveness is not None:
            self.liveness.end()

    # -- stop ------------------------------------------------------------------------------------------------------

    def request_stop(self, signum: int | None) -> None:
        """Ask the runner to stop; `BaseRunner.stop_runner_loop` documents it."""
        with contextlib.suppress(Exception):
            # In a handler, the stream may be amid a write of the interrupted code; no reason not to stop.
            self.logger.info("asked to stop%s", "" if signum is None else f" by {signal.Signals(signum).name}")
        if signum is not None:
            self.stop_signals += 1
        self.runner.running = False
        engine = self.engine
        if engine is not None:
            engine.stop()
            if self.stop_signals > 1:
                engine.hurry()
        self.runner._on_stop_runner_loop()

    def stop(self) -> None:
        """Stop the runner; `BaseRunner.on_stop` documents it."""
        self.runner.running = False
        self.stop_began = clock.monotonic()
        self.logger.info("stopping")
        if self.engine is not None:
            self.engine.stop()
        try:
            self.runner._on_stop()
        finally:
            self.finish()

    def finish(self) -> None:
        """Close the engine and undo what `start` did. Safe to repeat."""
        engine = self.engine
        try:
            if engine is not None:
                engine.stop()
                hand_back(self.runner, engine)
                engine.close()
        except Exception:
            self.logger.exception("could not close the engine; what it owned is recovered when the leases end")
        finally:
            self.engine = None
            presence, self._presence = self._presence, None
            if presence is not None:
                presence.end()
            at_exit.forget(self)
            self.signals.give_back()
            self.core_logs.drain(force=True)
            self.started.clear()
            self.stopped.set()

    def abandon(self, patience_sec: float) -> None:
        """The program ends: give the loop that long to stop, then hand everything back from here."""
        engine = self.engine
        if engine is None:
            return
        engine.hurry()
        if not self.stopped.wait(patience_sec):
            engine.hand_back(f"the program of {self.runner.runner_id} ended")
            engine.close()

    def become_copy(self) -> None:
        """In a process that a body has forked: the engine, and all that runs here, are the parent's."""
        self.is_copy = True
        self.runner.running = False
        self.engine = None
        self.liveness = None

    def on_cancel(self, invocation_id: str) -> None:
        """Interrupt the body of this invocation, if it runs on a thread of this process."""
        if self.hooks.bodies.cancel(invocation_id, self.timing("cancel_grace_sec")):
            self.logger.info("invocation %s is cancelled: its body is interrupted", invocation_id)


class ClientSession(RunnerSession):
    """The session of a runner that runs nothing, and waits in Rust."""

    is_built_in = True
