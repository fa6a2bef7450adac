"""What the runner does when worker processes die: recovers what they ran, and decides when to start others."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from pynenc._execute.outcome import log_burial
from pynenc.exceptions import RunnerError, StateBackendError
from pynenc.runner._workers.outage import StoreOutage
from pynenc.runner._workers.platform import SHORT_OF_SEC, how_it_ended, was_deaf, was_short, was_sigkilled
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc.runner._workers.pool import WorkerPool
    from pynenc.runner._workers.worker_handle import WorkerHandle

_STRIKES = 3
"""So many failures to get a worker going in a row are no accident."""

_CALM_SEC = 10.0
"""Workers that die more often than `_STRIKES` times in this span are replaced with growing pauses."""


class Deaths:
    """The deaths of the workers of one pool. For the thread in `run()`."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._outage = StoreOutage(
            pool.session.logger,
            "worker processes cannot open the store, so new ones are tried until they can",
            "worker processes can open the store again",
        )
        self.not_before = 0.0
        """When the next worker may be started, by the monotonic clock."""
        self._failures = 0
        self._recent: deque[float] = deque(maxlen=32)
        self._deaf_at = -math.inf
        self._unrevoked: list[tuple[str, str, bool]] = []

    def reset(self) -> None:
        """Forget the deaths of an earlier run; what it could not hand back is still handed back."""
        self.not_before = 0.0
        self._failures = 0
        self._recent.clear()
        self._deaf_at = -math.inf

    def ready(self) -> None:
        """A worker is ready: workers can be had."""
        self._failures = 0
        self._outage.over()

    def reaped(self, pid: int, status: int) -> None:
        """A worker process has ended with this wait status.

        Raises:
            RunnerError: workers keep failing, so this runner gives up.
        """
        pool = self._pool
        worker = next((worker for worker in pool.workers.values() if worker.pid == pid), None)
        if worker is None:
            return
        # Its last words may not have been received yet.
        pool.receive_from(worker)
        pool.remove(worker)
        if worker.bye or (worker.told and not worker.key):
            return
        if was_short(status):
            if worker.key:
                self.recover(worker, "unable to start a thread")
            self.wait_for_room("it could not start its threads")
            return
        deaf = was_deaf(status)
        if deaf and not worker.key:
            # No reason to give up: how long a store may be away is for this runner's own engine to say.
            self._outage.failed(worker.last_words)
            self.not_before = max(self.not_before, clock.monotonic() + SHORT_OF_SEC)
            return
        if deaf:
            how = "deaf: its store had failed for store_deaf_after_sec"
        elif worker.doomed:
            how = worker.doomed
        elif worker.last_words:
            how = f"ended by itself: {worker.last_words}"
        else:
            how = how_it_ended(status)
        if not worker.key:
            if not was_sigkilled(status):
                self.strike(f"worker process {pid} did not get ready: it was {how}")
                return
            # Not by us, so the next one may fare better: no reason to give up, however often.
            pool.session.logger.error("worker process %d did not get ready: it was %s", pid, how)
        else:
            self.recover(worker, f"killed, {worker.killed}" if worker.killed else how)
            if deaf:
                self._went_deaf(pid)
        if worker.killed or worker.solo:
            # An invocation that dies alone waits longer after each death by itself.
            return
        now = clock.monotonic()
        self._recent.append(now)
        recent = sum(1 for death in self._recent if now - death < _CALM_SEC)
        if recent > _STRIKES:
            self.not_before = now + min(5.0, 0.1 * 2.0 ** (recent - _STRIKES))

    def _went_deaf(self, pid: int) -> None:
        """End this runner if the store fails more than one worker: new ones would go deaf too."""
        runner, app = self._pool.runner, self._pool.app
        limit, now = app.conf.store_deaf_after_sec, clock.monotonic()
        again = now - self._deaf_at < 2 * limit + _CALM_SEC
        self._deaf_at = now
        if (again or self._pool.wanted() == 1 or runner.max_parallel_slots == 1) and runner.running:
            raise RunnerError(
                f"{runner.runner_id}: the store {self._pool.runtime.store.url} has failed worker process {pid} for "
                f"longer than store_deaf_after_sec ({limit:g} s); what ran here is recovered by others"
            )

    def recover(self, worker: WorkerHandle, how: str) -> None:
        """Hand back at once what a dead worker owned."""
        self._pool.session.logger.error(
            "worker process %d was %s; what it ran goes back into the queue", worker.pid, how
        )
        if worker.key:
            # Other bodies in a worker that we killed are innocent: we kill it for one body, which is settled by then.
            # An exit code does not tell, for a body can choose one.
            self._unrevoked.append((worker.key, how, bool(worker.killed) or worker.deaf))
            self.revoke_again()

    def revoke_again(self) -> None:
        """Hand back what dead workers owned and the store could not yet take."""
        pool = self._pool
        app, logger = pool.app, pool.session.logger
        while self._unrevoked:
            key, how, innocent = self._unrevoked[0]
            try:
                requeued, buried, alone = self._pool.runtime.store.revoke(
                    key, how, app.conf.max_recoveries, innocent=innocent
                )
            except StateBackendError as error:
                logger.debug("the store fails, so the claims of a dead worker are still its own: %s", error)
                return
            self._unrevoked.pop(0)
            for invocation_id in requeued:
                then = "" if innocent else "; if its body had started, it runs alone next"
                logger.warning("invocation %s is queued again: its worker was %s%s", invocation_id, how, then)
            for invocation_id in buried:
                log_burial(pool.runner, invocation_id, how)
            self._tell_of_alone(alone)

    def _tell_of_alone(self, waiting: int) -> None:
        """So many invocations wait to run alone in their process."""
        pool = self._pool
        if pool.session.engine is not None:
            pool.session.engine.look_alone(waiting)
        if waiting:
            for worker in pool.workers.values():
                if worker.solo or not pool.needs_solo_workers:
                    worker.channel.send({"alone": waiting})

    def wait_for_room(self, why: object) -> None:
        """Out of processes, descriptors or memory. The workers that there are go on, and may give something back."""
        now = clock.monotonic()
        if self.not_before <= now:
            # Of several that were wanted at once, the first says it.
            self._pool.session.logger.error(
                "no worker process can be started, trying again in %g s: %s", SHORT_OF_SEC, why
            )
        self.not_before = max(self.not_before, now + SHORT_OF_SEC)

    def strike(self, problem: str) -> None:
        """A worker did not get ready: try again after a pause that grows.

        Raises:
            RunnerError: it failed so often in a row that it is no accident.
        """
        runner = self._pool.runner
        self._failures += 1
        if self._failures >= _STRIKES and runner.running:
            raise RunnerError(f"{runner.runner_id} gives up after {self._failures} attempts in a row: {problem}")
        pause = 0.5 * 2.0 ** (self._failures - 1)
        self.not_before = clock.monotonic() + pause
        self._pool.session.logger.error("%s; next attempt in %g s", problem, pause)
