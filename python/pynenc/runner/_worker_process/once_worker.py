"""A worker for a single invocation: it claims one when it is given a slot, runs it, and ends."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pynenc.runner._session.waiting import Waiting
from pynenc.runner._worker_process.worker import Worker

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc.app import Pynenc
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.runner._session.session import RunnerSession
    from pynenc.runner._workers.channel import Channel, Message


_LOOK_SEC = 1.0
"""How often to see whether the store still works."""


class OnceWorker(Worker):
    """Says `took` when it has a claim, `lent` and `resume` around its waits, `settled` when it is through.

    The slots are its runner's: it claims when that says `go`, and goes on after a wait when that says `granted`.
    """

    waiting: OnceWaiting

    def __init__(self, app: Pynenc, channel: Channel, message: Message) -> None:
        super().__init__(app, channel, message)
        self._go = threading.Event()
        self._over = threading.Event()

    def new_waiting(self, session: RunnerSession) -> Waiting:
        """Make what lends the slot of the runner out."""
        self.waiting = OnceWaiting(session, self.channel)
        return self.waiting

    def obey(self, message: Message) -> None:
        """Do what one message says."""
        if "go" in message:
            self._go.set()
        if "granted" in message:
            self.waiting.granted.set()
        super().obey(message)

    def start(self) -> None:
        """Start the thread of the body, and tell the runner that this worker is ready."""
        self.slot_threads.reset()
        # Ahead of its slot: a process without room for a thread must not say that it is ready for one.
        thread = self.slot_threads.thread(self._run_one, "pynenc-slot-0")
        thread.start()
        self.ready()
        # At a stop it is joined: it may be amid a claim, which must not be left behind.
        self.slot_threads.threads.add(thread)

    def iterate(self) -> None:
        """Wait until the invocation is settled. There is one iteration only."""
        while not self._go.wait(_LOOK_SEC):
            self.session.look_after()
        while not self._over.wait(_LOOK_SEC):
            self.session.look_after()
        self.face.running = False

    def stop_requested(self) -> None:
        """End the iteration; `stop` waits for what runs."""
        self._go.set()
        self._over.set()

    def _run_one(self) -> None:
        try:
            self._go.wait()
            engine = self.engine
            # Told to stop so early that there was no engine yet, so that the engine does not know of it.
            if self.told or engine is None:
                return
            # Nothing, where a stop came before the slot.
            if (claim := engine.next()) is not None:
                # It claims no other one, neither while this one waits nor after it.
                engine.stop()
                self.channel.send({"took": claim.invocation_id})
                engine.settle(claim, *self.execute(claim))
                # Sends the outcome, and finds no more work.
                engine.next()
                self.channel.send({"settled": True})
        finally:
            self._over.set()


class OnceWaiting(Waiting):
    """The waits of the body of a worker. The runner, in another process, keeps its slot."""

    def __init__(self, session: RunnerSession, channel: Channel) -> None:
        super().__init__(session)
        self.granted = threading.Event()
        """Set when the runner has granted a slot again."""
        self._channel = channel
        self._slot_lock = threading.Lock()
        self._waits = 0
        self._holds_slot = True
        self._asks = False

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
                limit = None if current is None else current._limit
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
        self.granted.wait()
        with self._slot_lock:
            self._asks = False
            # Unless another thread of the body has begun to wait meanwhile.
            self._holds_slot = self._waits == 0
            if not self._holds_slot:
                self._channel.send({"lent": True})
