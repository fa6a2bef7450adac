"""The worker for a single invocation, beyond the tests of `ProcessRunner`."""

from __future__ import annotations

from support.processes import Processes
from support.programs.told_early import TIMES
from support.worlds import load_jobs


def test_a_worker_stopped_before_its_engine_starts_claims_nothing(sqlite_env: None, processes: Processes) -> None:
    jobs = load_jobs()
    invocation = jobs.basics.add(1, 2)
    child = processes.python("-m", "support.programs.told_early")
    assert child.wait() == 0, child.output()
    assert child.output().splitlines() == ["[]"] * TIMES, "none says that it is ready"
    history = jobs.app.state_backend.get_history(invocation.invocation_id)
    assert [str(entry.status) for entry in history] == ["registered"]


def test_a_worker_stopped_between_its_claim_and_its_loop_runs_what_it_has_claimed(
    sqlite_env: None, processes: Processes
) -> None:
    invocation = load_jobs().basics.add(1, 2)
    child = processes.python("-m", "support.programs.told_after_claim")
    assert child.wait() == 0, child.output()
    assert "settled" in child.output() or "bye" in child.output(), child.output()
    assert invocation.get_result(timeout=30) == 3
