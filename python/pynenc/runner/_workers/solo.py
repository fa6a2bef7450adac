"""Workers that run only what must run alone in its process, one body at a time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pynenc.runner._workers.pool import WorkerPool

_IDLE_SEC = 35.0
"""A solo worker that finds nothing for so long ends; a recovered invocation waits for less than that."""


def tend_solo_workers(pool: WorkerPool, now: float) -> None:
    """Keep solo workers while there is work for them.

    Args:
        now: the monotonic clock.
    """
    engine = pool.session.engine
    if engine is None or not pool.needs_solo_workers:
        return
    solo = [worker for worker in pool.workers.values() if worker.solo and not worker.told and not worker.spent]
    idle = [one for one in solo if one.idle_since is not None and now - one.idle_since >= _IDLE_SEC]
    if idle:
        # A sweep of the engine finds what is not due yet.
        engine.look_alone(0)
    waiting = engine.waiting_alone()
    for worker in solo if waiting else ():
        if worker.idle_since is not None:
            # It may have looked before that was there.
            worker.channel.send({"alone": waiting})
    wanted = min(waiting, max(2, os.cpu_count() or 1))
    # A body that waits keeps its process: what it waits for may run alone, in another one.
    busy = [worker for worker in solo if not worker.live or worker.live > worker.waits]
    for worker in idle[: max(0, len(busy) - wanted)]:
        pool.tell_to_stop(worker)
    if wanted > len(busy) and now >= pool.deaths.not_before:
        pool.fork(wanted - len(busy), solo=True)
