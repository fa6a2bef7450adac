"""Bodies that attack the event loop of their worker: each has an outcome, and the runner continues."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from support import flags
from support.processes import Child, Processes
from support.waiting import wait_until
from support.worlds import load_jobs

from pynenc.exceptions import InvocationAbandonedError

RUNNERS = ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
LOOP_LIMIT_SEC = 30.0
"""The value of the setting: within this time the runner must serve another call."""

BREAKS_THE_PROCESS = {"closes the selector", "closes the wake-up", "raises out of the loop"}
"""Attacks that a loop does not survive, so that its worker is replaced."""

BREAKS_OTHER_LOOPS = {"patches time"}
"""Attacks that later coroutines on a loop of `asyncio.run` in the same process do not survive."""


@pytest.fixture
def jobs(sqlite_env: None) -> Any:
    return load_jobs()


def _runner(processes: Processes, runner_cls: str, **environment: str) -> Child:
    sizes = {f"PYNENC__{name}": "1" for name in ("NUM_PROCESSES", "MIN_PROCESSES", "MAX_PROCESSES", "PROCESSES")}
    sizes |= {"PYNENC__MAX_THREADS": "4", "PYNENC__CONCURRENCY": "4", "PYNENC__RUNNER_CLS": runner_cls}
    return processes.started_runner(**{**sizes, **environment})


def _statuses(jobs: Any, invocation: Any) -> list[str]:
    return [str(entry.status) for entry in jobs.app.state_backend.get_history(invocation.invocation_id)]


def _outcome(invocation: Any) -> str:
    """The end of an attack: its value, its exception, or the death of its worker."""
    try:
        return str(invocation.get_result(timeout=60))
    except InvocationAbandonedError:
        return "died"
    except Exception as error:
        return type(error).__name__


def _stops(runner: Child) -> None:
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()


@pytest.mark.parametrize("runner_cls", RUNNERS)
def test_an_attack_on_the_loop_has_an_outcome_and_the_runner_serves_the_next_call(
    processes: Processes, jobs: Any, monkeypatch: pytest.MonkeyPatch, runner_cls: str
) -> None:
    monkeypatch.setenv("PYNENC__MAX_RECOVERIES", "1")
    runner = _runner(processes, runner_cls)
    for act in jobs.hostile.ACTS:
        outcome = _outcome(jobs.hostile.attack(act))
        print(f"{act}: {outcome}")
        assert jobs.basics.add(1, 1).get_result(timeout=LOOP_LIMIT_SEC) == 2, act
        if runner_cls in ("AsyncRunner", "ProcessRunner") or act not in BREAKS_OTHER_LOOPS:
            assert jobs.hostile.greet().get_result(timeout=LOOP_LIMIT_SEC) == "hello", act
        if outcome == "died":
            assert act in BREAKS_THE_PROCESS
            assert "its event loop" in runner.output(), "the runner says why it replaced the worker"
    _stops(runner)


@pytest.mark.parametrize("act", ["cancels all tasks", "cancels all other tasks", "stops the loop", "patches time"])
def test_a_body_that_disturbs_the_loop_does_not_harm_the_bodies_beside_it(
    processes: Processes, jobs: Any, act: str
) -> None:
    runner = _runner(processes, "AsyncRunner")
    victims = [jobs.hostile.innocent(f"victim-{number}") for number in range(2)]
    for number in range(2):
        flags.await_flag(f"victim-{number}-started")
    _outcome(jobs.hostile.attack(act))
    for number in range(2):
        flags.raise_flag(f"victim-{number}")
    assert [victim.get_result(timeout=60) for victim in victims] == ["victim-0", "victim-1"]
    assert "worker process" not in runner.output(), "no worker has died"
    _stops(runner)


def test_bodies_beside_one_that_breaks_the_loop_are_run_again_and_succeed(processes: Processes, jobs: Any) -> None:
    runner = _runner(processes, "AsyncRunner", PYNENC__MAX_RECOVERIES="1")
    victims = [jobs.hostile.innocent(f"victim-{number}") for number in range(3)]
    for number in range(3):
        flags.await_flag(f"victim-{number}-started")
    attack = jobs.hostile.attack("raises out of the loop")
    runner.await_output("its event loop broke")
    for number in range(3):
        flags.raise_flag(f"victim-{number}")
    assert [victim.get_result(timeout=60) for victim in victims] == ["victim-0", "victim-1", "victim-2"]
    with pytest.raises(InvocationAbandonedError):
        attack.get_result(timeout=60)
    _stops(runner)


def test_the_history_of_a_body_that_breaks_the_loop_tells_the_reason(processes: Processes, jobs: Any) -> None:
    runner = _runner(processes, "AsyncRunner", PYNENC__MAX_RECOVERIES="0")
    attack = jobs.hostile.attack("raises out of the loop")
    with pytest.raises(InvocationAbandonedError, match="its event loop broke: CancelledError"):
        attack.get_result(timeout=60)
    assert jobs.hostile.greet().get_result(timeout=60) == "hello"
    _stops(runner)


@pytest.mark.parametrize("bodies", ["with a body", "without bodies"])
def test_a_loop_that_cannot_be_woken_ends_its_process(processes: Processes, jobs: Any, bodies: str) -> None:
    runner = _runner(processes, "AsyncRunner")
    first = jobs.basics.whoami().get_result(timeout=60)
    if bodies == "with a body":
        # It waits for an event that only another thread could tell the loop of.
        jobs.waits.await_another(jobs.basics.until("never").invocation_id)
        flags.await_flag("never-started")
    jobs.hostile.attack("closes the wake-up")
    runner.await_output("its event loop could not be woken", LOOP_LIMIT_SEC)
    assert wait_until(lambda: jobs.basics.whoami().get_result(timeout=60) != first)
    runner.send(signal.SIGTERM)
    runner.send(signal.SIGTERM)
    runner.wait()


def test_a_worker_without_bodies_notices_that_it_cannot_reach_its_store(processes: Processes, jobs: Any) -> None:
    # Run again, the body would take the second worker along, and a runner whose every worker is deaf ends.
    short = {"PYNENC__STORE_DEAF_AFTER_SEC": "1", "PYNENC__LEASE_SEC": "2", "PYNENC__MAX_RECOVERIES": "0"}
    runner = _runner(processes, "AsyncRunner", PYNENC__PROCESSES="2", **short)
    jobs.rogues.close_the_store()
    runner.await_output("this worker process ends", LOOP_LIMIT_SEC)
    assert "the store" in runner.output()
    assert jobs.hostile.greet().get_result(timeout=60) == "hello"
    _stops(runner)
