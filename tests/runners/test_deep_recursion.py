"""Bodies on threads have the stack of the main thread: recursion in C is as deep on every runner."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from support.processes import child_environment
from support.worlds import load_jobs

BUILT_IN = ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
DEPTH = 25_000
"""Takes more than the 2 MiB that a thread has by default where the main thread has no limit, and less than 8."""


@pytest.mark.parametrize("runner_cls", BUILT_IN)
def test_deep_recursion_in_c_kills_no_runner(sqlite_env: None, runner_cls: str) -> None:
    jobs = load_jobs()
    command = [
        "/bin/sh",
        "-c",
        'ulimit -s unlimited; exec "$0" -m pynenc --app support.jobs runner start',
        sys.executable,
    ]
    with subprocess.Popen(command, env=child_environment({"PYNENC__RUNNER_CLS": runner_cls})) as runner:
        try:
            for task in (jobs.faults.recurse_in_c, jobs.faults.recurse_in_c_in_a_coroutine):
                invocation = task(DEPTH)
                assert invocation.get_result(timeout=60) == "[[["
                assert jobs.app._runtime.store.get(str(invocation.invocation_id)).recoveries == 0
            runner.send_signal(signal.SIGTERM)
            assert runner.wait(60) == 0
        finally:
            runner.kill()
