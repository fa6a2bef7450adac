"""The worker processes of one runner: it supervises, and the workers claim for themselves."""

from __future__ import annotations

import contextlib
import itertools
import os
import selectors
import signal
import socket
from typing import TYPE_CHECKING, Any, ClassVar

from pynenc.exceptions import RunnerError
from pynenc.runner._workers.deaths import Deaths
from pynenc.runner._workers.messages import receive
from pynenc.runner._workers.orders import order_for
from pynenc.runner._workers.overdue import Overdue
from pynenc.runner._workers.platform import is_shortage, new_selector, require_fork
from pynenc.runner._workers.silence import SilenceWatch
from pynenc.runner._workers.solo import tend_solo_workers
from pynenc.runner._workers.worker_handle import WorkerHandle
from pynenc.runner._workers.zygote_client import ZygoteClient
from pynenc.runner._workers.zygote_report import warn_of
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc.runner._session.session import RunnerSession
    from pynenc.runner._workers.channel import Channel, Message

_TEND_SEC = 1.0
"""How long one iteration supervises when nothing happens."""

_HAND_BACK_SEC = 0.5
"""How long a worker that shall hand back what it runs gets, until it is killed: its body may hold the GIL in C. The
whole stop shall take no more than a second beyond the grace period."""


class WorkerPool:
    """Keeps worker processes: forks them from a zygote, replaces those that die or are spent, tells them to stop.

    A worker that dies is noticed at once, and what it ran goes back into the queue at once, with the signal that
    killed it in its history; an invocation that keeps killing workers fails for good after `max_recoveries`.
    For the thread in `run()`, unless a method says otherwise.
    """

    kind: ClassVar[str] = "threads"
    """The kind of its workers: see `run_worker`."""

    needs_solo_workers: ClassVar[bool] = True
    """Whether what runs alone needs workers of its own: a worker for a single invocation runs nothing beside it."""

    def __init__(self, session: RunnerSession) -> None:
        self.session = session
        self.runner = session.runner
        self.app = session.app
        self.runtime = session.runtime
        self.workers: dict[int, WorkerHandle] = {}
        self.zygote: ZygoteClient | None = None
        self.hurried = False
        self.silence = SilenceWatch(self, 0.0)
        self.overdue = Overdue(self)
        self.deaths = Deaths(self)
        self._numbers = itertools.count()
        self._selector: selectors.BaseSelector = new_selector()
        self._wakeup: tuple[socket.socket, socket.socket] | None = None
        self._warned = False

    @property
    def conf(self) -> Any:
        """The settings of the runner."""
        return self.runner.conf

    # -- what kinds of pools decide --------------------------------------------------------------------------------

    def wanted(self) -> int:
        """How many good workers there shall be now."""
        return self.runner.max_parallel_slots

    def slots_per_worker(self) -> int:
        """How many bodies a worker runs at a time."""
        return 1

    def received(self, worker: WorkerHandle, message: Message) -> None:
        """A worker has sent something that concerns this kind of pool alone."""

    def left(self, worker: WorkerHandle) -> None:
        """A worker has ended, and is not among the workers any more."""

    def ordinary(self) -> list[WorkerHandle]:
        """The workers that are not only for what runs alone."""
        return [worker for worker in self.workers.values() if not worker.solo]

    # -- the life of a runner --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin a run: start the zygote."""
        require_fork(type(self.runner).__name__)
        self.workers.clear()
        self.hurried = False
        self.deaths.reset()
        self.silence = SilenceWatch(self, self.conf.worker_silent_sec)
        self._selector = new_selector()
        self._wakeup = socket.socketpair()
        for end in self._wakeup:
            end.setblocking(False)
        self._selector.register(self._wakeup[0], selectors.EVENT_READ)
        self.tend()

    def supervise(self) -> None:
        """Act for up to a second on what workers and zygote send, and keep as many workers as are wanted."""
        self.listen(_TEND_SEC)
        if self.runner.running:
            self.tend()

    def stop(self) -> None:
        """Have every worker stop within the grace period, and end the zygote."""
        deadline = clock.monotonic() + self.session.timing("stop_grace_sec")
        for worker in self.workers.values():
            worker.told = True
            worker.channel.send({"stop": True})
        kill_at: float | None = None
        while self.workers:
            now = clock.monotonic()
            if kill_at is None and (self.hurried or self.session.stop_signals > 1 or now >= deadline):
                kill_at = now + _HAND_BACK_SEC
                for worker in self.workers.values():
                    worker.channel.send({"hurry": True})
            if kill_at is not None and now >= kill_at:
                for worker in self.workers.values():
                    self.kill(worker, "because it did not hand back in time")
                kill_at = now + _HAND_BACK_SEC
            left = max(0.0, (deadline if kill_at is None else kill_at) - now)
            self.listen(min(left, self.silence.every_sec))
            self.silence.look()
        if self.zygote is not None:
            self._drop_zygote()
        self._selector.close()
        if self._wakeup is not None:
            for end in self._wakeup:
                end.close()
            self._wakeup = None

    def wake(self) -> None:
        """Wake the loop. From any thread, and from a signal handler."""
        wakeup = self._wakeup
        if wakeup is not None:
            with contextlib.suppress(OSError):
                # Full: the loop wakes already. Closed: there is no loop any more.
                wakeup[1].send(b"x")

    def keys(self) -> list[str]:
        """The keys under which the workers that are ready own invocations. From any thread."""
        return [worker.key for worker in list(self.workers.values()) if worker.key]

    # -- supervising -----------------------------------------------------------------------------------------------

    def tend(self) -> None:
        """Start the workers that are missing, and stop those that have a replacement."""
        now = clock.monotonic()
        self.silence.look()
        self.deaths.revoke_again()
        for worker in self.workers.values():
            if not worker.spent and 0 < self.conf.max_age_sec <= now - worker.born:
                worker.spent = f"is {self.conf.max_age_sec:g} s old"
        good = [worker for worker in self.ordinary() if worker.is_good]
        missing = self.wanted() - len(good)
        if missing > 0 and now >= self.deaths.not_before:
            self.fork(missing)
        tend_solo_workers(self, now)
        if sum(1 for worker in good if worker.key) >= self.wanted():
            # The replacements are warm.
            for worker in self.workers.values():
                if worker.spent and not worker.told:
                    self.session.logger.info("worker process %d %s: it is replaced", worker.pid, worker.spent)
                    self.tell_to_stop(worker)

    def tell_to_stop(self, worker: WorkerHandle) -> None:
        """Have a worker claim no more, finish what it runs in its own time, and end."""
        worker.told = True
        worker.channel.send({"stop": True})

    def fork(self, count: int, solo: bool = False) -> None:
        """Have so many workers forked. The first call starts the zygote, and forks nothing."""
        if self.zygote is None:
            try:
                self.zygote = ZygoteClient(self.app)
            except OSError as error:
                if is_shortage(error):
                    self.deaths.wait_for_room(error)
                else:
                    self.deaths.strike(f"no process could be started for workers: {error}")
                return
            self._selector.register(self.zygote.channel, selectors.EVENT_READ, self.zygote)
        if not self.zygote.loaded:
            return
        for _ in range(count):
            number = next(self._numbers)
            try:
                channel = self.zygote.fork(order_for(self, number, solo))
            except OSError as error:
                self.deaths.wait_for_room(error)
                return
            if channel is None:
                return
            self.workers[number] = WorkerHandle(number, channel, solo=solo)
            self._selector.register(channel, selectors.EVENT_READ, self.workers[number])

    def listen(self, timeout_sec: float) -> None:
        """Block until something happens, at most so long, and act on it."""
        due = min((kill_at for worker in self.workers.values() for kill_at in worker.deadlines()), default=None)
        if due is not None:
            timeout_sec = min(timeout_sec, max(0.0, due - clock.monotonic()))
        for key, _ in self._selector.select(timeout_sec):
            if isinstance(key.data, ZygoteClient):
                self._receive_from_zygote(key.data)
            elif isinstance(key.data, WorkerHandle):
                self.receive_from(key.data)
            elif self._wakeup is not None:
                with contextlib.suppress(OSError):
                    self._wakeup[0].recv(256)
        if due is not None and due <= clock.monotonic():
            self.overdue.end()

    def receive_from(self, worker: WorkerHandle) -> None:
        """Act on the messages of a worker that have arrived."""
        messages = worker.channel.drain()
        if messages:
            self.silence.heard(worker)
        for message in messages:
            receive(self, worker, message)
            self.received(worker, message)
        if worker.channel.ended:
            # It is ending; the zygote will report how.
            self._forget_channel(worker.channel)

    def _receive_from_zygote(self, zygote: ZygoteClient) -> None:
        self.silence.zygote_heard(zygote.answers)
        fault: RunnerError | None = None
        for message in zygote.channel.drain():
            if "loaded" in message:
                zygote.loaded = True
                if not self._warned:
                    self._warned = True
                    warn_of(self.app, message)
                if self.runner.running:
                    self.tend()
            elif "failed" in message:
                zygote.problem = f"the app could not be imported in a worker process: {message['failed']}"
            elif "forked" in message:
                self.workers[message["forked"]].pid = message["pid"]
            elif "refused" in message:
                self.remove(self.workers[message["refused"]])
                self.deaths.wait_for_room(message["error"])
            elif "ended" in message:
                try:
                    self.deaths.reaped(message["ended"], message["status"])
                except RunnerError as error:
                    # The stop that follows waits for every worker, so it must know of the other ones that have ended.
                    fault = fault or error
        if fault is not None:
            raise fault
        if zygote.channel.ended and self.zygote is zygote:
            self._lose_zygote()

    def _lose_zygote(self) -> None:
        """The zygote died. Its workers die with it and their exit statuses are lost, so everything restarts."""
        lost = self.zygote
        self._drop_zygote()
        if lost is None or not lost.loaded:
            self.deaths.strike("" if lost is None else lost.problem)
            return
        self.session.logger.error("the process that worker processes are forked from has died; all are started anew")
        for worker in list(self.workers.values()):
            self.kill(worker, "because the process it was forked from had died")
            self.receive_from(worker)
            self.remove(worker)
            if not worker.bye:
                self.deaths.recover(worker, f"killed, {worker.killed}")

    def _drop_zygote(self) -> None:
        if self.zygote is not None:
            self._forget_channel(self.zygote.channel)
            self.zygote.close()
            self.zygote = None

    def _forget_channel(self, channel: Channel) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(channel)

    def remove(self, worker: WorkerHandle) -> None:
        """Forget a worker that has ended."""
        self._forget_channel(worker.channel)
        worker.channel.close()
        self.workers.pop(worker.number, None)
        self.left(worker)

    def kill(self, worker: WorkerHandle, why: str) -> None:
        """Kill a worker process, and remember why."""
        if worker.pid:
            worker.killed = worker.killed or why
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
