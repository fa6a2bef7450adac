"""Notices worker processes that are frozen: stopped by a signal, held by a debugger or stuck with all their threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pynenc.runner._workers.platform import is_stopped, turns_of
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc.runner._workers.channel import Channel
    from pynenc.runner._workers.pool import WorkerPool
    from pynenc.runner._workers.worker_handle import WorkerHandle

_MOST_SEC = 1.0
"""The longest time between two looks."""


@dataclass
class Answers:
    """Whether a process answers, as far as its runner knows."""

    heard: float = -1.0
    """When it sent something last, by the clock of the watch; negative before the first look."""
    asked: bool = False
    """Whether it owes an answer."""
    turns: int | None = None
    """How often its threads had run when it was late with its answer."""
    silent: bool = False
    """Whether it has not answered for `worker_silent_sec`, and nothing of it ran."""


class SilenceWatch:
    """Asks the worker processes of a runner for a sign when there was none for a while. For the thread in `run()`.

    A process answers on a thread that needs the GIL, so one that does not answer may only be busy in C. It is silent if
    none of its threads was scheduled either: the question alone wakes a thread of every process that is not frozen.
    """

    def __init__(self, pool: WorkerPool, limit_sec: float) -> None:
        """
        Args:
            limit_sec: how long a process may be silent; 0 means for ever.
        """
        self._pool = pool
        self._limit_sec = limit_sec
        self.every_sec = min(_MOST_SEC, limit_sec / 4) if limit_sec > 0 else _MOST_SEC
        self._clock = 0.0
        """Time in which this runner itself was awake: it may have been frozen along with its workers."""
        self._looked = clock.monotonic()

    def heard(self, worker: WorkerHandle) -> None:
        """A worker has sent something."""
        if self._note(worker.answers):
            worker.spent = worker.spent or "was silent and has been replaced"
            self._pool.session.logger.warning("worker process %d answers again; it is told to stop", worker.pid)

    def zygote_heard(self, answers: Answers) -> None:
        """The process that workers are forked from has sent something."""
        self._note(answers)

    def look(self) -> None:
        """Ask the processes that have sent nothing for a while, and act on silent ones. At most every `every_sec`."""
        now = clock.monotonic()
        passed = now - self._looked
        if self._limit_sec <= 0 or passed < self.every_sec:
            return
        self._looked = now
        self._clock += min(passed, 2 * self.every_sec)
        for worker in list(self._pool.workers.values()):
            if worker.pid and not worker.channel.ended:
                self._look_at(worker)
        self._look_at_zygote()

    def _look_at(self, worker: WorkerHandle) -> None:
        if self._has_become_silent(worker.pid, worker.channel, worker.answers):
            self._pool.session.logger.error(
                "worker process %d has not answered for %g s, and none of its threads ran (stopped by a signal, by a "
                "debugger, or by a file system that hangs?): another worker takes its slots",
                worker.pid,
                self._limit_sec,
            )
        if worker.answers.silent and not self._pool.runner.running and not worker.killed:
            self._pool.kill(worker, f"because it had not answered for {self._limit_sec:g} s")

    def _look_at_zygote(self) -> None:
        zygote, workers = self._pool.zygote, self._pool.workers.values()
        if zygote is None or not zygote.loaded:
            return
        answers = zygote.answers
        if self._has_become_silent(zygote.pid, zygote.channel, answers):
            self._pool.session.logger.error(
                "the process that worker processes are forked from (%d) has not answered for %g s, and did not run",
                zygote.pid,
                self._limit_sec,
            )
        if answers.silent and any(not worker.pid or worker.channel.ended for worker in workers):
            # It stands in the way. The end of its channel says the rest.
            zygote.kill()

    def _has_become_silent(self, pid: int, channel: Channel, answers: Answers) -> bool:
        if answers.heard < 0:
            answers.heard = self._clock
        quiet = self._clock - answers.heard
        if answers.silent or quiet < self._limit_sec / 3:
            return False
        if not answers.asked:
            answers.asked = True
            channel.send({"ping": True})
        elif quiet >= self._limit_sec and answers.turns is not None:
            turns = turns_of(pid)
            if (turns is None and is_stopped(pid)) or turns == answers.turns:
                answers.silent = True
                return True
            # Alive, but its threads are kept from the GIL. It still owes its answer.
            answers.heard, answers.turns = self._clock, None
        elif quiet >= self._limit_sec * 2 / 3 and answers.turns is None:
            answers.turns = turns_of(pid) or 0
        return False

    def _note(self, answers: Answers) -> bool:
        """Note that it has sent something; return whether it was silent."""
        was_silent = answers.silent
        answers.heard, answers.asked, answers.turns, answers.silent = self._clock, False, None, False
        return was_silent
