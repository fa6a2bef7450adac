"""Clients that are interrupted, exit in the middle, or fork."""

from __future__ import annotations

import signal
import time

import pytest
from support.processes import Processes
from support.worlds import load_jobs


def test_ctrl_c_ends_a_wait_for_a_result_at_once(shared_env: None, processes: Processes) -> None:
    client = processes.python("-m", "support.programs.waiting_client")
    client.await_output("waiting")
    client.send(signal.SIGINT)
    assert client.wait(15) == 130
    assert "interrupted" in client.output()


@pytest.mark.parametrize("way", ["thread", "waiting", "waiting-thread", "loop", "submit", "group", "unused"])
def test_a_script_that_ends_in_the_middle_of_the_work_exits_with_zero(
    shared_env: None, processes: Processes, way: str
) -> None:
    script = processes.python("-m", "support.programs.exit_early", way)
    script.await_output("end of the script")
    printed_at = time.monotonic()
    code = script.wait()
    assert code == 0, script.output()
    assert "Traceback" not in script.output()
    assert "Fatal" not in script.output()
    # The promise is two seconds; the bodies of this test would hold the process for a minute if it waited for them.
    assert time.monotonic() - printed_at < 20


def test_a_forked_child_cannot_disturb_its_parent(shared_env: None, processes: Processes) -> None:
    processes.runner()
    program = processes.python("-m", "support.programs.fork_after_use")
    assert program.wait() == 0, program.output()
    lines = set(program.output().splitlines())
    assert "child: own handle gives 5" in lines
    assert "child: inherited handle refused" in lines
    assert "parent: 7" in lines


def test_a_child_forked_while_a_runner_runs_is_refused_and_the_runner_goes_on(
    shared_env: None, processes: Processes
) -> None:
    program = processes.python("-m", "support.programs.fork_after_use", "with-runner")
    assert program.wait() == 0, program.output()
    assert "parent: 7" in program.output().splitlines()


def test_invocations_of_a_killed_client_run(shared_env: None, processes: Processes) -> None:
    client = processes.python("-m", "support.programs.waiting_client")
    client.await_output("waiting")
    client.send(signal.SIGKILL)
    client.process.wait()
    jobs = load_jobs()
    assert jobs.app.orchestrator.count_invocations() == 1
    processes.runner()
    (invocation_id,) = jobs.app.orchestrator.get_task_invocation_ids("support.jobs.waits.never")
    from pynenc.invocation import DistributedInvocation

    assert DistributedInvocation(jobs.app, str(invocation_id)).get_result(timeout=60) == 0
