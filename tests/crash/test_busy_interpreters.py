"""Bodies that hold the GIL for many leases: a native thread renews the leases, so no other runner takes over."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from support import flags
from support.processes import Processes
from support.worlds import load_jobs

LEASE_SEC = 1.0
BUILT_IN = ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]


@pytest.fixture
def jobs(shared_env: None) -> Any:
    return load_jobs()


@pytest.mark.parametrize("runner_cls", BUILT_IN)
def test_a_body_that_holds_the_gil_for_five_leases_is_not_recovered(
    processes: Processes, jobs: Any, runner_cls: str
) -> None:
    lease = {"PYNENC__LEASE_SEC": str(LEASE_SEC)}
    sizes = ("MAX_THREADS", "NUM_PROCESSES", "MAX_PROCESSES", "PROCESSES", "CONCURRENCY")
    holder = processes.runner(PYNENC__RUNNER_CLS=runner_cls, **{f"PYNENC__{size}": "1" for size in sizes}, **lease)
    invocation = jobs.faults.hold_the_gil(5 * LEASE_SEC)
    pid = int(flags.await_flag("gil-held"))
    # The runner searches for dead runners twice in each lease.
    watcher = processes.started_runner(PYNENC__RUNNER_CLS="ThreadRunner", **lease)
    assert invocation.get_result(timeout=60) == pid
    history = [str(entry.status) for entry in jobs.app.state_backend.get_history(invocation.invocation_id)]
    assert history == ["registered", "pending", "running", "success"]
    assert jobs.app._runtime.store.get(invocation.invocation_id).recoveries == 0
    for runner in (holder, watcher):
        runner.send(signal.SIGTERM)
        assert runner.wait() == 0
