"""Threads that run bodies in this process: the loop `next → execute → settle`, once for all built-in runners."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from pynenc._engine.outcomes import RELEASE
from pynenc._execute.execution import execute
from pynenc._execute.outcome import MAX_DELAY_SEC
from pynenc._execute.thread_start import thread_start
from pynenc.exceptions import StateBackendError
from pynenc.runner._session.body_hooks import SessionHooks
from pynenc.runner._session.body_thread import BodyThread
from pynenc.runner._session.engine import hand_back
from pynenc.runner._session.session import RunnerSession
from pynenc.runner._session.stack_size import stack_of_main_thread
from pynenc.util import clock
from pynenc.util.texts import describe

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._execute.outcome import Outcome
    from pynenc.runner.base_runner import BaseRunner

_TEND_SEC = 1.0
"""How long one iteration supervises when nothing happens. A stop ends it at once."""

_JOIN_SEC = 2.0
"""How long threads without a body get to end; they need microseconds."""


class SlotThreads:
    """Runs invocations on threads of this process, which the engine feeds.

    The thread in `run()` only supervises. A thread whose body waits lends its slot; another one takes the next
    invocation meanwhile, so there can be more threads than slots, but never more running bodies.
    """

    def __init__(self, session: RunnerSession, execute: Callable[[_core.Claim], Outcome]) -> None:
        """
        Args:
            execute: runs the body of a claim; never raises because of the body.
        """
        self._session = session
        self._execute = execute
        self.threads: set[threading.Thread] = set()
        self.numbers = itertools.count()
        self.fault: BaseException | None = None
        """What broke in code of ours; the loop raises it."""
        self._stuck: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        self._owed = 0
        self._lock = threading.Lock()

    def reset(self) -> None:
        """Begin a run. Threads come when there is work; those of an earlier run belong to its engine."""
        self.threads = set()
        self.fault = None
        self._owed = 0

    def supervise(self) -> None:
        """Start the threads that are missing. Blocks for up to a second."""
        if self.fault is not None:
            raise self.fault
        engine = self._session.engine
        if engine is None:
            return
        with self._lock:
            owed, self._owed = self._owed, 0
        for _ in range(owed + engine.tend(_TEND_SEC)):
            self.start_thread()

    def stop(self) -> None:
        """Wait for the bodies, for `stop_grace_sec` at most, and hand back those that have not ended by then."""
        session, engine = self._session, self._session.engine
        if engine is None:
            return
        grace_sec = session.timing("stop_grace_sec")
        live = engine.live()
        if live:
            session.logger.info(
                "%d bodies have up to %g s to finish; a second signal hands them back at once", len(live), grace_sec
            )
        unfinished = engine.drain(grace_sec)
        if unfinished:
            hand_back(session.runner, engine)
        # Those whose body goes on are daemons: they end with it, or with the process.
        self._join(_JOIN_SEC if not unfinished else 0.1)

    def thread(self, target: Callable[..., None], name: str, *args: object) -> threading.Thread:
        """Make a thread for bodies, and do not start it yet."""
        return BodyThread(target=target, args=args, name=name, daemon=True)

    def start_thread(self) -> None:
        """Start a thread for a free slot."""
        session, engine = self._session, self._session.engine
        if engine is None:
            return
        thread = self.thread(self._work, f"pynenc-slot-{next(self.numbers)}", engine)
        try:
            with thread_start, stack_of_main_thread():
                thread.start()
        except RuntimeError as error:
            # The engine counts on this thread: the next iteration tries again.
            with self._lock:
                self._owed += 1
            session.logger.error("cannot start a thread for a free slot, will try again: %s", error)
            with contextlib.suppress(StateBackendError):
                # Other runners can have meanwhile what was claimed for it.
                engine.hand_back_unbegun(f"{session.runner.runner_id} could not start a thread")
            time.sleep(0.05)
            return
        self.threads.add(thread)

    def _work(self, engine: _core.Engine) -> None:
        session, execute = self._session, self._execute
        claim: _core.Claim | None = None
        try:
            while (claim := engine.next()) is not None:
                engine.settle(claim, *execute(claim))
        except BaseException as error:
            if claim is not None:
                with contextlib.suppress(Exception):
                    # Else it is handed back when the runner has waited for it in vain.
                    delay = min(MAX_DELAY_SEC, 2.0 ** min(claim.releases, 16))
                    note = f"{session.runner.runner_id} broke: {describe(error)}"
                    engine.settle_now(claim, RELEASE, None, delay, note)
            if not engine.stopping:
                # Never silently deaf: the loop raises this, and the process says why it ends.
                self.fault = error
                engine.stop()
            else:
                session.logger.debug("a thread ended with the engine: %s", error)
        finally:
            self.threads.discard(threading.current_thread())

    def give_up(self, claim: _core.Claim, outcome: Outcome) -> None:
        """Settle a body that does not stop. Its thread goes on without a slot; another one takes the slot."""
        ident = self._session.hooks.bodies.thread_of(claim.invocation_id)
        self._stuck.update(thread for thread in list(self.threads) if thread.ident == ident)
        engine = self._session.engine
        if engine is not None:
            engine.finish(claim, *outcome)

    def _join(self, seconds: float) -> None:
        deadline = clock.monotonic() + seconds
        for thread in list(self.threads):
            # A thread whose body was given up may take for ever.
            if thread is not threading.current_thread() and thread not in self._stuck:
                thread.join(max(0.0, deadline - clock.monotonic()))


class ThreadHooks(SessionHooks):
    """The hooks of a runner with slot threads."""

    session: ThreadSession

    def give_up(self, claim: _core.Claim, outcome: Outcome) -> None:
        """Settle the body; its slot is free."""
        self.session.slot_threads.give_up(claim, outcome)


class ThreadSession(RunnerSession):
    """The session of a runner that runs bodies on slot threads."""

    is_built_in = True
    slot_threads: SlotThreads

    def __init__(self, runner: BaseRunner) -> None:
        super().__init__(runner)
        self.slot_threads = SlotThreads(self, lambda claim: execute(self.runtime, claim, self.hooks))

    def new_hooks(self) -> SessionHooks:
        """Make hooks that free the slot of a body that is given up."""
        return ThreadHooks(self)
