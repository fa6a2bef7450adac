"""A runner that claims for its workers and hands each invocation over: the other way of docs/decisions/0006.

Everything else is as in a `PersistentProcessRunner`: the same engine and batches, two processes that run bodies, and a
thread of the runner for each, which waits for its answer without the GIL. Bodies that wait for others do without here.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from bench_tasks import app

from pynenc import Pynenc, _core
from pynenc._execute.execution import execute
from pynenc._execute.outcome import Outcome
from pynenc.runner import ThreadRunner
from pynenc.runner._session.slot_threads import SlotThreads

WORKERS = 2


class ParentClaims(ThreadRunner):
    """Two slots, each served by a worker process at the other end of a pipe."""

    def __init__(self, app: Pynenc) -> None:
        super().__init__(app)
        self._session.slot_threads = SlotThreads(self._session, self._execute)

    def _on_start(self) -> None:
        super()._on_start()
        self._idle: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        for _ in range(WORKERS):
            ours, theirs = Pipe()
            command = [sys.executable, "-m", "benchkit.parent_claims", str(theirs.fileno())]
            # It ends when our end of the pipe closes.
            subprocess.Popen(command, pass_fds=[theirs.fileno()])
            theirs.close()
            self._idle.put(ours)

    def _execute(self, claim: _core.Claim) -> Outcome:
        worker = self._idle.get()
        worker.send(
            (
                claim.invocation_id, claim.fence, claim.task_id, claim.payload, claim.parent_id, claim.depth,
                claim.queue, claim.retries, claim.recoveries, claim.releases,
            )
        )  # fmt: skip
        outcome = Outcome(*worker.recv())
        self._idle.put(worker)
        return outcome


def _work(pipe: Connection) -> None:
    try:
        while True:
            pipe.send(tuple(execute(app._runtime, _core.Claim(*pipe.recv()), app.runner._session.hooks)))
    except EOFError:
        os._exit(0)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _work(Connection(int(sys.argv[1])))
    runner = ParentClaims(app)
    runner.conf.min_parallel_slots, runner.conf.max_threads = 1, WORKERS
    runner.run()
