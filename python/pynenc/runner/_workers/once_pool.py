"""A pool whose workers run one invocation each; the slots are kept here."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from pynenc.runner._workers.pool import WorkerPool
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc.runner._session.session import RunnerSession
    from pynenc.runner._workers.channel import Message
    from pynenc.runner._workers.worker_handle import WorkerHandle

_SPARE = 2
"""Warm processes beyond those that have a slot: they hide the time that a fork takes."""

_HOLD_SEC = 0.01
"""How long the slot of a body that ends is kept while others wait: one of them can probably go on now. To take a slot
back from a process that waits for work costs that process."""

# What a worker does with regard to slots. LISTENING and RUNNING hold one.
_WARM, _LISTENING, _RUNNING, _WAITING, _RESUMING, _OVER = "warm", "listening", "running", "waiting", "resuming", "over"
_HOLD_A_SLOT = (_LISTENING, _RUNNING)
_ENGAGED = (_LISTENING, _RUNNING, _WAITING, _RESUMING)


class OncePool(WorkerPool):
    """Forks workers ahead, gives the free slots to them, and takes the slots of bodies that wait back for others."""

    kind = "once"
    needs_solo_workers = False

    def __init__(self, session: RunnerSession) -> None:
        super().__init__(session)
        self._resuming: deque[WorkerHandle] = deque()
        self._kept_until = 0.0

    def start(self) -> None:
        """Begin a run."""
        self._resuming = deque()
        self._kept_until = 0.0
        super().start()

    def wanted(self) -> int:
        """Those that are engaged, one for each free slot, and some that are warm."""
        good = sum(1 for worker in self.workers.values() if worker.state in _ENGAGED and worker.is_present)
        return good + self._free_slots() + _SPARE

    def supervise(self) -> None:
        """Supervise for up to a second."""
        kept = self._kept_until - clock.monotonic()
        self.listen(1.0 if kept <= 0 else kept)
        if self.runner.running:
            self._grant()
            self.tend()

    def received(self, worker: WorkerHandle, message: Message) -> None:
        """A worker has a claim, waits, wants to go on, or is through."""
        if "ready" in message:
            worker.state = _WARM
        elif "took" in message:
            worker.state = _RUNNING
        elif "lent" in message:
            worker.state = _WAITING
        elif "resume" in message:
            worker.state = _RESUMING
            self._resuming.append(worker)
        elif "settled" in message or "bye" in message:
            if worker.state in _HOLD_A_SLOT and self._count(_WAITING):
                self._kept_until = clock.monotonic() + _HOLD_SEC
            worker.state, worker.told = _OVER, True
        self._grant()

    def left(self, worker: WorkerHandle) -> None:
        """Give the slot of a worker that has ended to another one."""
        worker.state = _OVER
        if worker in self._resuming:
            self._resuming.remove(worker)
        self._grant()

    def _count(self, *states: str) -> int:
        return sum(1 for one in self.workers.values() if one.state in states and not one.answers.silent)

    def _free_slots(self) -> int:
        return max(0, self.runner.max_parallel_slots - self._count(*_HOLD_A_SLOT))

    def _grant(self) -> None:
        """Hand out the free slots: to bodies that want to go on, then to processes that wait for work."""
        while self._resuming and self._free_slots():
            worker = self._resuming.popleft()
            worker.state = _RUNNING
            worker.channel.send({"granted": True})
        if self._resuming:
            # Slots in which nothing runs yet are taken back.
            for worker in self._listening_untold()[: len(self._resuming)]:
                self.tell_to_stop(worker)
        elif self.runner.running and clock.monotonic() >= self._kept_until:
            warm = [worker for worker in self.workers.values() if worker.state == _WARM and worker.is_present]
            for worker in warm[: self._free_slots()]:
                worker.state = _LISTENING
                worker.channel.send({"go": True})
            self.tend()

    def _listening_untold(self) -> list[WorkerHandle]:
        return [worker for worker in self.workers.values() if worker.state == _LISTENING and worker.is_present]
