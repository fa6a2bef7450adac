"""The base of the built-in runners: the loop `next → execute → settle`, once for all of them."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from pynenc import _core
from pynenc._execute.execution import execute
from pynenc._execute.outcome import MAX_DELAY_SEC
from pynenc.exceptions import StateBackendError
from pynenc.runner._session.native_wait import NativeWaitRunner
from pynenc.runner._session.stack_size import stack_of_main_thread
from pynenc.util import clock
from pynenc.util.texts import describe

if TYPE_CHECKING:
    from pynenc._execute.outcome import Outcome
    from pynenc.app import Pynenc

_TEND_SEC = 1.0
"""How long one iteration supervises when nothing happens. A stop ends it at once."""

_JOIN_SEC = 2.0
"""How long threads without a body get to end; they need microseconds."""


class EngineRunner(NativeWaitRunner):
    """Runs invocations on threads of this process, which the engine feeds.

    The thread in `run()` only supervises. A thread whose body waits lends its slot; another one takes the next
    invocation meanwhile, so there can be more threads than slots, but never more running bodies.
    """

    def __init__(self, app: Pynenc) -> None:
        super().__init__(app)
        self._threads: set[threading.Thread] = set()
        self._stuck: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        self._numbers = itertools.count()
        self._fault: BaseException | None = None
        self._owed = 0
        self._lock = threading.Lock()

    def _on_start(self) -> None:
        # Threads come when there is work: see the first iteration. Those of an earlier run belong to its engine.
        self._threads = set()
        self._fault = None
        self._owed = 0

    def runner_loop_iteration(self) -> None:
        """Supervise for up to a second: start the threads that are missing."""
        if self._fault is not None:
            raise self._fault
        engine = self._engine
        if engine is None:
            return
        with self._lock:
            owed, self._owed = self._owed, 0
        for _ in range(owed + engine.tend(_TEND_SEC)):
            self._start_thread()

    def _on_stop_runner_loop(self) -> None:
        """The engine was told already."""

    def _on_stop(self) -> None:
        engine = self._engine
        if engine is None:
            return
        live = engine.live()
        if live:
            self.logger.info(
                "%d bodies have up to %g s to finish; a second signal hands them back at once",
                len(live),
                self._timing("stop_grace_sec"),
            )
        unfinished = engine.drain(self._timing("stop_grace_sec"))
        if unfinished:
            self._hand_back(engine)
        # Those whose body goes on are daemons: they end with it, or with the process.
        self._join(_JOIN_SEC if not unfinished else 0.1)

    def _start_thread(self) -> None:
        engine = self._engine
        if engine is None:
            return
        name = f"pynenc-slot-{next(self._numbers)}"
        thread = self._new_thread(self._work, name, engine)
        try:
            with stack_of_main_thread():
                thread.start()
        except RuntimeError as error:
            # The engine counts on this thread: the next iteration tries again.
            with self._lock:
                self._owed += 1
            self.logger.error("cannot start a thread for a free slot, will try again: %s", error)
            with contextlib.suppress(StateBackendError):
                # What was claimed for it: others can have that meanwhile.
                engine.hand_back_unbegun(f"{self.runner_id} could not start a thread")
            time.sleep(0.05)
            return
        self._threads.add(thread)

    def _new_thread(self, target: Callable[..., None], name: str, *args: object) -> threading.Thread:
        """A thread for bodies, not started yet."""
        return threading.Thread(target=target, args=args, name=name, daemon=True)

    def _work(self, engine: _core.Engine) -> None:
        claim: _core.Claim | None = None
        try:
            while (claim := engine.next()) is not None:
                engine.settle(claim, *self._execute(claim))
        except BaseException as error:
            if claim is not None:
                with contextlib.suppress(Exception):
                    # Else it is handed back when the runner has waited for it in vain.
                    delay = min(MAX_DELAY_SEC, 2.0 ** min(claim.releases, 16))
                    engine.settle_now(claim, _core.RELEASE, None, delay, f"{self.runner_id} broke: {describe(error)}")
            if not engine.stopping:
                # Never silently deaf: the loop raises this, and the process says why it ends.
                self._fault = error
                engine.stop()
            else:
                self.logger.debug("a thread ended with the engine: %s", error)
        finally:
            self._threads.discard(threading.current_thread())

    def _execute(self, claim: _core.Claim) -> Outcome:
        return execute(self.app, self, claim)

    def _give_up(self, claim: _core.Claim, outcome: Outcome) -> None:
        # Its thread goes on with what nobody wants; another one takes the slot.
        ident = self._running_bodies.thread_of(claim.invocation_id)
        self._stuck.update(thread for thread in list(self._threads) if thread.ident == ident)
        engine = self._engine
        if engine is not None:
            engine.finish(claim, *outcome)

    def _join(self, seconds: float) -> None:
        deadline = clock.monotonic() + seconds
        for thread in list(self._threads):
            # A thread whose body was given up may take for ever.
            if thread is not threading.current_thread() and thread not in self._stuck:
                thread.join(max(0.0, deadline - clock.monotonic()))
