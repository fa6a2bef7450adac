"""A stop with a body that ignores its time limit: the outcome arrives once, and the runner ends."""

from __future__ import annotations

import signal
from dataclasses import asdict
from typing import Any

import pytest
from support import flags
from support.chaos import keep, rounds
from support.ledger import Ledger
from support.oracle import judge
from support.processes import Processes
from support.worlds import load_jobs

from pynenc.exceptions import TaskTimeoutError

KINDS = ["ThreadRunner", "MultiThreadRunner"]


@pytest.fixture
def jobs(shared_env: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The lease is shorter than the time from the stop until the body is given up."""
    monkeypatch.setenv("PYNENC__LEASE_SEC", "1")
    monkeypatch.setenv("PYNENC__STOP_GRACE_SEC", "30")
    return load_jobs()


def test_s3_a_body_that_is_given_up_after_the_stop_of_its_runner_ends_once(
    processes: Processes, jobs: Any, ledger: Ledger, seed: int
) -> None:
    """Beside a runner that would run it again."""
    times = rounds(1, 10, 50)
    processes.started_runner(PYNENC__CONFIGRUNNER__QUEUES="nobody")
    for number in range(times):
        sizes = {"PYNENC__MIN_PROCESSES": "1", "PYNENC__MAX_PROCESSES": "1", "PYNENC__MAX_THREADS": "2"}
        runner = processes.runner(PYNENC__RUNNER_CLS=KINDS[number % len(KINDS)], **sizes)
        invocation = jobs.limits.sleep_beyond_the_limit(f"body-{number}")
        ledger.write(kind="acked", id=invocation.invocation_id)
        flags.await_flag(f"body-{number}-runs")
        runner.send(signal.SIGTERM)
        assert runner.wait(30) == 0, runner.output()
        with pytest.raises(TaskTimeoutError):
            invocation.get_result(timeout=60)
    verdict = judge(jobs.app, ledger)
    assert verdict.acknowledged == times
    assert (verdict.lost, verdict.ghosts, verdict.double_results, verdict.unfinished) == (0, 0, 0, 0)
    assert len(ledger.of_kind("run")) == times
    store = jobs.app.conf.store_url.partition(":")[0]
    what = "stop of a runner whose body ignores its time limit: it is given up, and ends once"
    keep(f"S3 {store}", what, "stop", times, seed, **asdict(verdict))
