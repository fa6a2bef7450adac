"""Processes that bodies leave behind do not stay zombies if no other process waits for them."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.processes import Processes, descendants
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("sqlite_env")

APP = """
import subprocess
from pynenc import Pynenc
app = Pynenc()

@app.task
def leave_one_behind() -> int:
    return int(subprocess.run(["sh", "-c", "sleep 0.05 >&- 2>&- & echo $!"], capture_output=True).stdout)
"""


@pytest.fixture
def orphans(tmp_path: Path) -> Iterator[Any]:
    """The module of the app, as a client imports it."""
    Path("orphans_app.py").write_text(APP)
    sys.path.insert(0, str(tmp_path))
    yield importlib.import_module("orphans_app")
    sys.path.remove(str(tmp_path))
    del sys.modules["orphans_app"]


@pytest.mark.parametrize("runner_cls", ["ThreadRunner", "PersistentProcessRunner", "ProcessRunner"])
def test_a_runner_that_is_process_1_reaps_the_orphans_of_bodies(
    processes: Processes, orphans: Any, runner_cls: str
) -> None:
    start = ("--app", "orphans_app", "runner", "start", "--runner", runner_cls)
    runner = processes.python("-m", "support.programs.as_init", *start)
    group = orphans.leave_one_behind.parallelize([() for _ in range(20)])
    left = set(group.get_results(timeout=60))
    assert len(left) == 20
    wait_until(lambda: not left & descendants(runner.pid), "every orphan is reaped")
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()
    assert runner.output().count("asked to stop by SIGTERM") == 1


def test_process_1_ends_as_its_runner_does(processes: Processes, orphans: Any) -> None:
    start = ("--app", "orphans_app", "runner", "start", "--runner", "ThreadRunner")
    runner = processes.python("-m", "support.programs.as_init", *start)
    runner.await_output("Tasks: ")
    [inner] = descendants(runner.pid)
    os.kill(inner, signal.SIGKILL)
    assert runner.wait() == 128 + signal.SIGKILL
    refused = processes.python("-m", "support.programs.as_init", "--app", "no_such_app", "runner", "start")
    assert refused.wait() == 1


ADOPTS = """
import os, sys, time
from pynenc.runner._workers.platform import AdoptingWatch, adopt_orphans, new_selector
assert adopt_orphans()
selector = new_selector()
watch = AdoptingWatch(selector)
own = os.fork()
if not own:
    if not os.fork():
        os._exit(0)
    os._exit(3)
watch.add(own)
found = []
while not found or os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
    selector.select(1)
    found += watch.ended()
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        break
assert found == [(own, 3 << 8)], found
"""


def test_a_zygote_whose_runner_is_process_1_reaps_what_is_not_its_own(processes: Processes) -> None:
    program = processes.python("-c", ADOPTS)
    assert program.wait() == 0, program.output()
