"""A worker for a single invocation: it claims one when it is given a slot, runs it in its main thread, and ends."""

from __future__ import annotations

import contextlib
import contextvars
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from pynenc._execute.outcome import Outcome, handed_back
from pynenc._logs.later import flush_all
from pynenc._wait.target import limit_of
from pynenc.runner._session.waiting import Waiting
from pynenc.runner._worker_process.body_signals import has_handlers, remove_handlers
from pynenc.runner._worker_process.end import end_in_order
from pynenc.runner._worker_process.worker import FOR_EVER_SEC, Worker
from pynenc.util.texts import describe

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._kernel.shapes import AppShape
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.runner._session.session import RunnerSession
    from pynenc.runner._workers.channel import Channel, Message


_LOOK_SEC = 1.0
"""How often to see whether the store still works."""


class OnceWorker(Worker):
    """Says `took` when it has a claim, `lent` and `resume` around its waits, `settled` when it is through.

    The slots are its runner's: it claims when that says `go`, and goes on after a wait when that says `granted`.

    The body runs in the main thread, so that it can have handlers of signals. The thread `pynenc-watch` claims, and
    supervises while the body runs. The lock `_ending` decides which of the two ends this process.
    """

    waiting: OnceWaiting

    def __init__(self, app: AppShape, channel: Channel, message: Message) -> None:
        super().__init__(app, channel, message)
        self._go = threading.Event()
        self._looked = threading.Event()
        """Set when there is a claim to run, or when there will be none."""
        self._claimed: _core.Claim | None = None
        self._over = threading.Event()
        """Set when the body needs no supervision any more, and when the runner is in a hurry."""
        self._ending = threading.Lock()
        self._watched = False
        """Whether the thread `pynenc-watch` was started."""

    def new_waiting(self, session: RunnerSession) -> Waiting:
        """Make what lends the slot of the runner out."""
        self.waiting = OnceWaiting(session, self.channel, self.is_own_handler)
        return self.waiting

    def obey(self, message: Message) -> None:
        """Do what one message says."""
        if "go" in message:
            self._go.set()
        if "granted" in message:
            self.waiting.granted.set()
        super().obey(message)
        if "hurry" in message:
            self._over.set()

    def start(self) -> None:
        """Start the thread that claims, and tell the runner that this worker is ready."""
        self.slot_threads.reset()
        # Ahead of its slot: a process without room for a thread must not say that it is ready for one.
        run = contextvars.copy_context().run
        thread = threading.Thread(target=run, args=(self._claim_and_watch,), name="pynenc-watch", daemon=True)
        thread.start()
        self._watched = True
        self.ready()
        # At a stop it is joined: it may be amid a claim, which must not be left behind.
        self.slot_threads.threads.add(thread)

    def iterate(self) -> None:
        """Run the one invocation and settle it. There is one iteration only."""
        while not self._looked.wait(_LOOK_SEC):
            self.session.look_after()
        claim, engine = self._claimed, self.engine
        try:
            if claim is not None and engine is not None:
                self._run_and_settle(engine, claim)
        finally:
            self._over.set()
        self.face.running = False

    def stop(self) -> None:
        """Run what was claimed although the stop came before the loop, then wait for the engine."""
        if self._watched and not self._over.is_set():
            self.iterate()
        super().stop()

    def stop_requested(self) -> None:
        """End the wait for a slot. `iterate` waits for a body that runs."""
        self._go.set()

    def _run_and_settle(self, engine: _core.Engine, claim: _core.Claim) -> None:
        outcome = self._outcome(claim)
        if not self._ending.acquire(blocking=False):
            # The claim was handed back, and the other thread ends this process.
            threading.Event().wait()
        engine.finish(claim, *outcome)
        # Sends the outcome; ends early if the runner is in a hurry.
        if not engine.drain(FOR_EVER_SEC):
            self.channel.send({"settled": True})

    def _outcome(self, claim: _core.Claim) -> Outcome:
        try:
            return self.execute(claim)
        except BaseException as error:
            # Only a handler that the body has installed can raise here: its alarm came after the end of the body.
            return handed_back(f"{self.face.runner_id}: a signal came late: {describe(error)}")
        finally:
            remove_handlers(self.is_own_handler)

    def _claim_and_watch(self) -> None:
        """On the thread `pynenc-watch`."""
        try:
            self._go.wait()
            engine = self.engine
            # Told to stop so early that there was no engine yet, so that the engine does not know of it.
            if self.told or engine is None:
                return
            # Nothing, where a stop came before the slot.
            if (claim := engine.next()) is not None:
                # This worker claims nothing else, neither while the body waits nor after it.
                engine.stop()
                self.channel.send({"took": claim.invocation_id})
                self._claimed = claim
        finally:
            self._looked.set()
        if self._claimed is None:
            # Without a body the main thread alone ends this process.
            return
        while not self._over.wait(_LOOK_SEC):
            self.session.look_after()
        if self.hurried.is_set() and self._ending.acquire(blocking=False):
            self._end_beside_the_body()

    def _end_beside_the_body(self) -> NoReturn:
        """Hand the claim back and end this process, whatever its main thread does."""
        code = 1
        try:
            self.face.on_stop()
            self.channel.send({"bye": True})
            end_in_order(self.app, self.face.logger, self.own_threads(), self.hurried, self.end_grace_sec)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            flush_all()
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
            os._exit(code)


class OnceWaiting(Waiting):
    """The waits of the body of a worker. The runner, in another process, keeps its slot."""

    def __init__(self, session: RunnerSession, channel: Channel, is_own_handler: Callable[[Any], bool]) -> None:
        """
        Args:
            is_own_handler: whether a handler of a signal belongs to the worker, not to a body.
        """
        super().__init__(session)
        self._is_own_handler = is_own_handler
        self.granted = threading.Event()
        """Set when the runner has granted a slot again."""
        self._channel = channel
        self._slot_lock = threading.Lock()
        self._waits = 0
        self._holds_slot = True
        self._asks = False

    def hears_signals(self) -> bool:
        """Whether a body on the calling thread has handlers. Most bodies have none, and need not wake for them."""
        return super().hears_signals() and has_handlers(self._is_own_handler)

    @property
    def lender(self) -> None:
        """None: `parked` has to be entered."""
        return None

    @contextlib.contextmanager
    def parked(self, current: DistributedInvocation[Any, Any] | None, waiter: _core.Waiter) -> Iterator[None]:
        """Within this block the slot of the body is lent out."""
        with super().parked(current, waiter):
            # Without a claim, or with a target that is finished already, nothing was parked.
            parked = current is not None and self._is_parked(current)
            if parked:
                self._lend()
            try:
                yield
            finally:
                limit = None if current is None else limit_of(current)
                # Interrupted for good it ends, without a slot.
                if parked and (limit is None or not limit.is_over):
                    self._take_back()

    def _is_parked(self, current: DistributedInvocation[Any, Any]) -> bool:
        engine = self._session.engine
        return engine is not None and (str(current.invocation_id), "waiting") in engine.live()

    def _lend(self) -> None:
        with self._slot_lock:
            self._waits += 1
            if self._holds_slot:
                self._holds_slot = False
                self._channel.send({"lent": True})

    def _take_back(self) -> None:
        """Block until the runner grants a slot, which it does before it starts new work.

        If another thread of the body still waits, this one continues without a slot. Making it wait for one could
        deadlock: the other thread's target may need it.
        """
        with self._slot_lock:
            self._waits -= 1
            if self._holds_slot or self._waits:
                return
            if not self._asks:
                self._asks = True
                self.granted.clear()
                self._channel.send({"resume": True})
        late = self._wait_for_grant()
        with self._slot_lock:
            self._asks = False
            # Unless another thread of the body has begun to wait meanwhile.
            self._holds_slot = self._waits == 0
            if not self._holds_slot:
                self._channel.send({"lent": True})
        if late is not None:
            raise late

    def _wait_for_grant(self) -> BaseException | None:
        """Block until the slot is granted. Returns what interrupted the wait: the runner counts the slot as taken."""
        late: BaseException | None = None
        while True:
            try:
                self.granted.wait()
                return late
            except BaseException as error:
                late = late or error
