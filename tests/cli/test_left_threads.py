"""A runner that is stopped twice names only the remaining threads that bodies started."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from support import flags
from support.modules import forgotten_modules, write_file
from support.processes import Processes

TASKS = """
import threading
import time

from pynenc import Pynenc
from support import flags

app = Pynenc()


@app.task
def sleep() -> None:
    flags.raise_flag("sleeps", "")
    time.sleep(300)


@app.task
def leave_a_thread_and_sleep() -> None:
    threading.Thread(target=time.sleep, args=(300,), name="a-thread-of-mine", daemon=False).start()
    flags.raise_flag("sleeps", "")
    time.sleep(300)
"""


@pytest.mark.parametrize(("name", "named"), [("sleep", ""), ("leave_a_thread_and_sleep", "a-thread-of-mine")])
def test_only_threads_that_bodies_have_started_are_named(
    sqlite_env: None, processes: Processes, tmp_path: Path, name: str, named: str
) -> None:
    write_file("sleepers.py", TASKS)
    with forgotten_modules():
        sys.path.insert(0, str(tmp_path))
        import sleepers  # type: ignore[import-not-found]

        getattr(sleepers, name)()
        sleepers.app._runtime.store.close()
    runner = processes.started_runner("sleepers", PYNENC__RUNNER_CLS="ThreadRunner")
    flags.await_flag("sleeps")
    runner.send(signal.SIGINT)
    runner.await_output("a second signal hands them back at once")
    runner.send(signal.SIGINT)
    assert runner.wait() == 0, runner.output()
    lines = [line for line in runner.output().splitlines() if "left threads behind" in line]
    assert [line.rpartition(": ")[2] for line in lines] == ([named] if named else [])
    assert "pynenc-slot" not in runner.output()
