"""The end of a body that does not stop is recorded before its process is killed, however long the store is away."""

from __future__ import annotations

from typing import Any

import pytest
from support.worlds import load_jobs

from pynenc import _core
from pynenc.exceptions import StateBackendError
from pynenc.runner import PersistentProcessRunner
from pynenc.runner._workers.channel import Channel
from pynenc.runner._workers.worker_handle import Limited, WorkerHandle


class _Store:
    """Fails a number of times, then records the settlements."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.settled: list[str] = []

    def settle(self, invocation_id: str, fence: int, *outcome: Any) -> str:
        if self.failures:
            self.failures -= 1
            raise StateBackendError("the store is away")
        self.settled.append(invocation_id)
        return "done"


def test_an_outage_is_logged_in_one_line_and_its_end_in_another(
    sqlite_env: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = load_jobs()
    runner, invocation_id = PersistentProcessRunner(jobs.app), str(jobs.basics.add(1, 1).invocation_id)
    pool, store = runner._session.pool, _Store(failures=20)
    monkeypatch.setattr(type(jobs.app._runtime), "store", store)
    claim = _core.Claim(invocation_id, 1, str(jobs.basics.add.task_id), b"", None, 0, "default", 0, 0, 0)
    ours, theirs = Channel.pair()
    with theirs:
        worker = WorkerHandle(0, ours, limited={invocation_id: Limited(claim, 0.0, 1.0)})
        pool.workers[0] = worker
        overdue = pool.overdue
        jobs.app.logger.addHandler(caplog.handler)
        for _ in range(21):
            # The pause before the next attempt is over.
            worker.limited[invocation_id] = worker.limited[invocation_id]._replace(kill_at=0.0)
            overdue.end()
    ours.close()
    jobs.app.logger.removeHandler(caplog.handler)
    assert (store.failures, store.settled) == (0, [invocation_id])
    body, outage, end = caplog.records
    assert "its process was killed" in body.getMessage()
    assert "the store is away" in outage.getMessage()
    assert (outage.levelname, outage.exc_info, end.levelname) == ("ERROR", None, "WARNING")
