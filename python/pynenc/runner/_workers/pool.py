"""The base of the runners that run bodies in worker processes: it supervises, and the workers claim for themselves."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import selectors
import signal
import socket
from abc import abstractmethod
from collections import deque
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from pynenc import _core
from pynenc._execute.outcome import log_burial
from pynenc.conf.config_runner import ConfigWorkers
from pynenc.conf.handover import handed_settings
from pynenc.exceptions import RunnerError, StateBackendError
from pynenc.runner._session.native_wait import NativeWaitRunner
from pynenc.runner._workers.outage import StoreOutage
from pynenc.runner._workers.overdue import Overdue
from pynenc.runner._workers.platform import (
    SHORT_OF_SEC,
    how_it_ended,
    is_shortage,
    new_selector,
    require_fork,
    was_deaf,
    was_short,
    was_sigkilled,
)
from pynenc.runner._workers.silence import SilenceWatch
from pynenc.runner._workers.worker_handle import Limited, Member
from pynenc.runner._workers.zygote_client import Nursery
from pynenc.runner._workers.zygote_report import warn_of
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.runner._workers.channel import Channel, Message

_TEND_SEC = 1.0
"""How long one iteration supervises when nothing happens."""

_HAND_BACK_SEC = 0.5
"""How long a worker that shall hand back what it runs gets, until it is killed: its body may hold the GIL in C. The
whole stop shall take no more than a second beyond the grace period."""

_STRIKES = 3
"""So many failures to get a worker going in a row are no accident."""

_CALM_SEC = 10.0
"""Workers that die more often than `_STRIKES` times in this span are replaced with growing pauses."""

_SOLO_IDLE_SEC = 35.0
"""A worker for what runs alone that finds nothing for so long ends; a recovered invocation waits for less than that."""


class ProcessPoolRunner(NativeWaitRunner):
    """Keeps worker processes: forks them from a zygote, replaces those that die or are spent, tells them to stop.

    A worker that dies is noticed at once, and what it ran goes back into the queue at once, with the signal that
    killed it in its history; one that keeps killing workers fails for good after `max_recoveries`.
    """

    _kind: ClassVar[str] = "threads"
    """Which worker: see `run_worker`."""

    def __init__(self, app: Pynenc) -> None:
        super().__init__(app)
        self._members: dict[int, Member] = {}
        self._numbers = itertools.count()
        self._nursery: Nursery | None = None
        self._selector: selectors.BaseSelector = new_selector()
        self._bell: tuple[socket.socket, socket.socket] | None = None
        self._hurried = False
        self._warned = False
        self._failures = 0
        self._deaths: deque[float] = deque(maxlen=32)
        self._not_before = 0.0
        self._deaf_at = -math.inf
        self._silence = SilenceWatch(self, 0.0)
        self._overdue = Overdue(self)
        self._outage = StoreOutage(
            self.logger,
            "worker processes cannot open the store, so new ones are tried until they can",
            "worker processes can open the store again",
        )
        self._unrevoked: list[tuple[str, str, bool]] = []

    @cached_property
    def conf(self) -> ConfigWorkers:
        """Settings of this runner."""
        return ConfigWorkers(self.app.config_values, self.app.config_filepath)

    @staticmethod
    def mem_compatible() -> bool:
        """False: bodies run in other processes."""
        return False

    # -- what kinds of pools decide --------------------------------------------------------------------------------

    @abstractmethod
    def _wanted(self) -> int:
        """How many good workers there shall be now."""

    def _slots_per_worker(self) -> int:
        return 1

    def _lines(self) -> str:
        # This process runs no bodies.
        return "beside"

    def _needs_solo_workers(self) -> bool:
        """Whether what runs alone needs workers of its own: a worker for a single invocation runs nothing beside it."""
        return self._kind != "once"

    def _ordinary(self) -> list[Member]:
        return [member for member in self._members.values() if not member.solo]

    def _heard(self, member: Member, message: Message) -> None:
        """A worker has sent something that concerns this kind of pool alone."""

    def _left(self, member: Member) -> None:
        """A worker has ended, and is not among the members any more."""

    def get_active_child_runner_ids(self) -> list[str]:
        """The keys under which its worker processes own invocations, of those that are ready. From any thread."""
        return [member.key for member in list(self._members.values()) if member.key]

    # -- the life of a runner --------------------------------------------------------------------------------------

    def _on_start(self) -> None:
        require_fork(type(self).__name__)
        self._members.clear()
        self._hurried = False
        self._failures = 0
        self._deaths.clear()
        self._deaf_at = -math.inf
        self._not_before = 0.0
        self._silence = SilenceWatch(self, self.conf.worker_silent_sec)
        self._selector = new_selector()
        self._bell = socket.socketpair()
        for end in self._bell:
            end.setblocking(False)
        self._selector.register(self._bell[0], selectors.EVENT_READ)
        self._tend()

    def runner_loop_iteration(self) -> None:
        """Supervise for up to a second: hear what workers and zygote say, and keep as many workers as are wanted."""
        self._listen(_TEND_SEC)
        if self.running:
            self._tend()

    def _on_stop_runner_loop(self) -> None:
        self._ring()

    def _abandon(self, patience_sec: float) -> None:
        self._hurried = True
        self._ring()
        super()._abandon(patience_sec)

    def _on_stop(self) -> None:
        deadline = clock.monotonic() + self._timing("stop_grace_sec")
        for member in self._members.values():
            member.told = True
            member.channel.send({"stop": True})
        kill_at: float | None = None
        while self._members:
            now = clock.monotonic()
            if kill_at is None and (self._hurried or self._stop_signals > 1 or now >= deadline):
                kill_at = now + _HAND_BACK_SEC
                for member in self._members.values():
                    member.channel.send({"hurry": True})
            if kill_at is not None and now >= kill_at:
                for member in self._members.values():
                    self._kill(member, "because it did not hand back in time")
                kill_at = now + _HAND_BACK_SEC
            left = max(0.0, (deadline if kill_at is None else kill_at) - now)
            self._listen(min(left, self._silence.every_sec))
            self._silence.look()
        if self._nursery is not None:
            self._drop_nursery()
        self._selector.close()
        if self._bell is not None:
            for end in self._bell:
                end.close()
            self._bell = None

    def _ring(self) -> None:
        """Wake the loop. From any thread, and from a signal handler."""
        bell = self._bell
        if bell is not None:
            with contextlib.suppress(OSError):
                # Full: it has been rung. Closed: there is no loop any more.
                bell[1].send(b"x")

    # -- supervising -----------------------------------------------------------------------------------------------

    def _tend(self) -> None:
        """Start the workers that are missing, and stop those that have a replacement."""
        now = clock.monotonic()
        self._silence.look()
        self._revoke_again()
        for member in self._members.values():
            if not member.spent and 0 < self.conf.max_age_sec <= now - member.born:
                member.spent = f"is {self.conf.max_age_sec:g} s old"
        good = [member for member in self._ordinary() if member.is_good]
        missing = self._wanted() - len(good)
        if missing > 0 and now >= self._not_before:
            self._fork(missing)
        self._tend_solo_workers(now)
        if sum(1 for member in good if member.key) >= self._wanted():
            # The replacements are warm.
            for member in self._members.values():
                if member.spent and not member.told:
                    self.logger.info("worker process %d %s: it is replaced", member.pid, member.spent)
                    self._tell_to_stop(member)

    def _tend_solo_workers(self, now: float) -> None:
        """Keep workers for what runs alone in its process, one body at a time in each, while there is any."""
        engine = self._engine
        if engine is None or not self._needs_solo_workers():
            return
        solo = [member for member in self._members.values() if member.solo and not member.told and not member.spent]
        idle = [m for m in solo if m.idle_since is not None and now - m.idle_since >= _SOLO_IDLE_SEC]
        if idle:
            # What is not due yet is found by a sweep of the engine.
            engine.look_alone(0)
        waiting = engine.waiting_alone()
        for member in solo if waiting else ():
            if member.idle_since is not None:
                # It may have looked before that was there.
                member.channel.send({"alone": waiting})
        wanted = min(waiting, max(2, os.cpu_count() or 1))
        # A body that waits keeps its process: what it waits for may run alone, in another one.
        busy = [member for member in solo if not member.live or member.live > member.waits]
        for member in idle[: max(0, len(busy) - wanted)]:
            self._tell_to_stop(member)
        if wanted > len(busy) and now >= self._not_before:
            self._fork(wanted - len(busy), solo=True)

    def _tell_to_stop(self, member: Member) -> None:
        """It claims no more, finishes what it runs in its own time, and ends."""
        member.told = True
        member.channel.send({"stop": True})

    def _fork(self, count: int, solo: bool = False) -> None:
        if self._nursery is None:
            try:
                self._nursery = Nursery(self.app)
            except OSError as error:
                if is_shortage(error):
                    self._wait_for_room(error)
                else:
                    self._strike(f"no process could be started for workers: {error}")
                return
            self._selector.register(self._nursery.channel, selectors.EVENT_READ, self._nursery)
        if not self._nursery.loaded:
            return
        for _ in range(count):
            number = next(self._numbers)
            order = {
                "number": number,
                "kind": self._kind,
                "runner": type(self).__name__,
                "slots": 1 if solo else self._slots_per_worker(),
                "lines": "alone" if solo else "beside" if self._needs_solo_workers() else "both",
                "conf": self._worker_conf(),
                "settings": self._worker_settings(),
                "max_tasks": self.conf.max_tasks_per_process,
            }
            try:
                channel = self._nursery.fork(order)
            except OSError as error:
                self._wait_for_room(error)
                return
            if channel is None:
                return
            self._members[number] = Member(number, channel, solo=solo)
            self._selector.register(channel, selectors.EVENT_READ, self._members[number])

    def _worker_conf(self) -> str:
        """The configuration class of ours that this runner's is, or is made from."""
        return next(cls.__name__ for cls in type(self.conf).__mro__ if cls.__module__ == ConfigWorkers.__module__)

    def _worker_settings(self) -> dict[str, object]:
        from pynenc.conf import config_runner
        from pynenc.conf.base import fields_of

        known = fields_of(getattr(config_runner, self._worker_conf()))
        return {name: value for name, value in handed_settings(self.conf).items() if name in known}

    def _listen(self, timeout_sec: float) -> None:
        """Block until something happens, at most so long, and act on it."""
        due = min((kill_at for member in self._members.values() for kill_at in member.deadlines()), default=None)
        if due is not None:
            timeout_sec = min(timeout_sec, max(0.0, due - clock.monotonic()))
        for key, _ in self._selector.select(timeout_sec):
            if isinstance(key.data, Nursery):
                self._hear_nursery(key.data)
            elif isinstance(key.data, Member):
                self._hear(key.data)
            elif self._bell is not None:
                with contextlib.suppress(OSError):
                    self._bell[0].recv(256)
        if due is not None and due <= clock.monotonic():
            self._overdue.end()

    def _hear(self, member: Member) -> None:
        messages = member.channel.drain()
        if messages:
            self._silence.heard(member)
        for message in messages:
            if "ready" in message:
                member.key, member.idle_since = message["ready"], clock.monotonic()
                self._failures = 0
                self._outage.over()
            if "done" in message:
                member.done, member.live, member.waits = message["done"], message["live"], message["waits"]
                member.idle_since = None if member.live else clock.monotonic()
                if not member.spent and 0 < self.conf.max_rss_mb <= message["rss"]:
                    member.spent = f"uses {message['rss']:.0f} MB"
            if "limit" in message:
                fields, seconds, cancelled_after = message["limit"]
                # The arguments stay where they are.
                fields.insert(3, b"")
                claim = _core.Claim(*fields)
                member.limited[claim.invocation_id] = Limited(claim, clock.monotonic() + seconds, cancelled_after)
            if "over" in message:
                member.limited.pop(message["over"], None)
            if "decoding" in message:
                invocation_id, seconds = message["decoding"]
                member.decoding[invocation_id] = clock.monotonic() + seconds
            if "decoded" in message:
                member.decoding.pop(message["decoded"], None)
            if "spent" in message and not member.spent:
                member.spent = message["spent"]
            member.bye = member.bye or "bye" in message
            member.last_words = message.get("died", member.last_words)
            if "deaf" in message and self._engine is not None:
                # If the store works from here, a body may have cut its worker off.
                member.deaf = self._engine.failing_sec() > 0
            self._heard(member, message)
        if member.channel.ended:
            # It is ending; how, the zygote will tell.
            self._forget_channel(member.channel)

    def _hear_nursery(self, nursery: Nursery) -> None:
        self._silence.nursery_heard(nursery.answers)
        fault: RunnerError | None = None
        for message in nursery.channel.drain():
            if "loaded" in message:
                nursery.loaded = True
                if not self._warned:
                    self._warned = True
                    warn_of(self.app, message)
                if self.running:
                    self._tend()
            elif "failed" in message:
                nursery.problem = f"the app could not be imported in a worker process: {message['failed']}"
            elif "forked" in message:
                self._members[message["forked"]].pid = message["pid"]
            elif "refused" in message:
                self._remove(self._members[message["refused"]])
                self._wait_for_room(message["error"])
            elif "ended" in message:
                try:
                    self._reaped(message["ended"], message["status"])
                except RunnerError as error:
                    # The stop that follows waits for every worker, so it must know of the other ones that have ended.
                    fault = fault or error
        if fault is not None:
            raise fault
        if nursery.channel.ended and self._nursery is nursery:
            self._lose_nursery()

    def _lose_nursery(self) -> None:
        """The zygote is gone: so are the workers, or they would be, and nobody could tell how they end."""
        lost = self._nursery
        self._drop_nursery()
        if lost is None or not lost.loaded:
            self._strike("" if lost is None else lost.problem)
            return
        self.logger.error("the process that worker processes are forked from has died; all are started anew")
        for member in list(self._members.values()):
            self._kill(member, "because the process it was forked from had died")
            self._hear(member)
            self._remove(member)
            if not member.bye:
                self._recover(member, f"killed, {member.killed}")

    def _drop_nursery(self) -> None:
        if self._nursery is not None:
            self._forget_channel(self._nursery.channel)
            self._nursery.close()
            self._nursery = None

    def _forget_channel(self, channel: Channel) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(channel)

    def _remove(self, member: Member) -> None:
        self._forget_channel(member.channel)
        member.channel.close()
        self._members.pop(member.number, None)
        self._left(member)

    # -- deaths ----------------------------------------------------------------------------------------------------

    def _kill(self, member: Member, why: str) -> None:
        if member.pid:
            member.killed = member.killed or why
            with contextlib.suppress(ProcessLookupError):
                os.kill(member.pid, signal.SIGKILL)

    def _reaped(self, pid: int, status: int) -> None:
        member = next((member for member in self._members.values() if member.pid == pid), None)
        if member is None:
            return
        # Its last words may not have been heard yet.
        self._hear(member)
        self._remove(member)
        if member.bye or (member.told and not member.key):
            return
        if was_short(status):
            if member.key:
                self._recover(member, "unable to start a thread")
            self._wait_for_room("it could not start its threads")
            return
        deaf = was_deaf(status)
        if deaf and not member.key:
            # No reason to give up: how long a store may be away is for this runner's own engine to say.
            self._outage.failed(member.last_words)
            self._not_before = max(self._not_before, clock.monotonic() + SHORT_OF_SEC)
            return
        if deaf:
            how = "deaf: its store had failed for store_deaf_after_sec"
        elif member.doomed:
            how = member.doomed
        elif member.last_words:
            how = f"ended by itself: {member.last_words}"
        else:
            how = how_it_ended(status)
        if not member.key:
            if not was_sigkilled(status):
                self._strike(f"worker process {pid} did not get ready: it was {how}")
                return
            # By someone else, so the next one may fare better: no reason to give up, however often.
            self.logger.error("worker process %d did not get ready: it was %s", pid, how)
        else:
            self._recover(member, f"killed, {member.killed}" if member.killed else how)
            if deaf:
                self._went_deaf(pid)
        if member.killed or member.solo:
            # What dies alone waits longer after each death by itself.
            return
        now = clock.monotonic()
        self._deaths.append(now)
        recent = sum(1 for death in self._deaths if now - death < _CALM_SEC)
        if recent > _STRIKES:
            self._not_before = now + min(5.0, 0.1 * 2.0 ** (recent - _STRIKES))

    def _went_deaf(self, pid: int) -> None:
        """End this runner if the store fails more than one worker: new ones would go deaf too."""
        limit, now = self.app.conf.store_deaf_after_sec, clock.monotonic()
        again = now - self._deaf_at < 2 * limit + _CALM_SEC
        self._deaf_at = now
        if (again or self._wanted() == 1 or self.max_parallel_slots == 1) and self.running:
            raise RunnerError(
                f"{self.runner_id}: the store {self.app._runtime.store.url} has failed worker process {pid} for longer "
                f"than store_deaf_after_sec ({limit:g} s); what ran here is recovered by others"
            )

    def _recover(self, member: Member, how: str) -> None:
        """Hand back at once what a dead worker owned."""
        self.logger.error("worker process %d was %s; what it ran goes back into the queue", member.pid, how)
        if member.key:
            # No body that is left was the cause: we kill a worker for one body, which is settled by then. An exit code
            # does not tell, for a body can choose one.
            self._unrevoked.append((member.key, how, bool(member.killed) or member.deaf))
            self._revoke_again()

    def _revoke_again(self) -> None:
        while self._unrevoked:
            key, how, innocent = self._unrevoked[0]
            try:
                requeued, buried, alone = self.app._runtime.store.revoke(
                    key, how, self.app.conf.max_recoveries, innocent=innocent
                )
            except StateBackendError as error:
                self.logger.debug("the store fails, so the claims of a dead worker are still its own: %s", error)
                return
            self._unrevoked.pop(0)
            for invocation_id in requeued:
                then = "" if innocent else "; if its body had started, it runs alone next"
                self.logger.warning("invocation %s is queued again: its worker was %s%s", invocation_id, how, then)
            for invocation_id in buried:
                log_burial(self, invocation_id, how)
            self._tell_of_alone(alone)

    def _tell_of_alone(self, waiting: int) -> None:
        """So many invocations wait to run alone in their process."""
        if self._engine is not None:
            self._engine.look_alone(waiting)
        if waiting:
            for member in self._members.values():
                if member.solo or not self._needs_solo_workers():
                    member.channel.send({"alone": waiting})

    def _wait_for_room(self, why: object) -> None:
        """Out of processes, descriptors or memory. The workers that there are go on, and may give something back."""
        now = clock.monotonic()
        if self._not_before <= now:
            # Of several that were wanted at once, the first says it.
            self.logger.error("no worker process can be started, trying again in %g s: %s", SHORT_OF_SEC, why)
        self._not_before = max(self._not_before, now + SHORT_OF_SEC)

    def _strike(self, problem: str) -> None:
        """Workers cannot be had: try again after a pause that grows, and give up when it is no accident."""
        self._failures += 1
        if self._failures >= _STRIKES and self.running:
            raise RunnerError(f"{self.runner_id} gives up after {self._failures} attempts in a row: {problem}")
        pause = 0.5 * 2.0 ** (self._failures - 1)
        self._not_before = clock.monotonic() + pause
        self.logger.error("%s; next attempt in %g s", problem, pause)
