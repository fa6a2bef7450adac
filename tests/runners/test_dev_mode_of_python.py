"""`python -X dev -W error` finds nothing in pynenc to warn of: no file or socket left open, nothing deprecated."""

from __future__ import annotations

import signal

import pytest
from support.processes import Processes
from support.worlds import load_jobs

DEV = ("-X", "dev", "-W", "error")
CLIENT = """
import asyncio
from support import jobs

async def wait():
    group = await jobs.basics.add.submit_many([(1, 2)])
    return [result async for result in group.async_results()]

print(jobs.basics.add(1, 2).result, asyncio.run(wait()), jobs.basics.add.parallelize([(1, 2)]).get_results())
jobs.app.purge()
"""


@pytest.mark.parametrize(
    "runner_cls", ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
)
def test_a_runner_causes_no_warning_in_the_dev_mode_of_python(
    shared_env: None, processes: Processes, runner_cls: str
) -> None:
    jobs = load_jobs()
    runner = processes.python(
        *DEV, "-m", "pynenc", "--app", "support.jobs", "runner", "start", PYNENC__RUNNER_CLS=runner_cls
    )
    assert jobs.basics.add(1, 2).get_result(timeout=60) == 3
    assert jobs.limits.quick_coroutine(4).get_result(timeout=60) == 4
    client = processes.python(*DEV, "-c", CLIENT)
    assert client.wait() == 0, client.output()
    assert client.output().splitlines()[-1] == "3 [3] [3]"
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()
    for child in (runner, client):
        assert "Warning:" not in child.output(), child.output()
        assert "Exception ignored" not in child.output(), child.output()
