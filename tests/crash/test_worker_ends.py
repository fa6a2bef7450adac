"""A worker that is replaced or stopped ends as an interpreter does: nothing that bodies have left is cut off."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from support.processes import Processes
from support.waiting import wait_until

WORKER_RUNNERS = ["PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
ALL_THERE = {
    "exported": "0\n1\n2\n",
    "logged": "a record\n",
    "written": "a line",
    "finished": "by a thread",
    "compressed": "a line",
}
ONE_SLOT = {
    f"PYNENC__{name}": "1"
    for name in ("NUM_PROCESSES", "MAX_PROCESSES", "MIN_PROCESSES", "PROCESSES", "CONCURRENCY", "MAX_THREADS")
}


@pytest.fixture
def leaving(sqlite_env: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The app in a separate folder: runners of other tests must not find its tasks beside theirs."""
    shutil.copy(Path(__file__).with_name("leaving.py"), "leaving.py")
    monkeypatch.syspath_prepend(os.getcwd())
    sys.modules.pop("leaving", None)
    return importlib.import_module("leaving")


@pytest.mark.parametrize("task", ["leave", "leave_from_a_coroutine"])
@pytest.mark.parametrize("runner_cls", WORKER_RUNNERS)
def test_threads_and_exit_functions_of_a_body_complete_when_its_worker_ends(
    processes: Processes, leaving: Any, runner_cls: str, task: str
) -> None:
    runner = processes.runner("leaving", PYNENC__RUNNER_CLS=runner_cls, PYNENC__MAX_TASKS_PER_PROCESS="2", **ONE_SLOT)
    # Of two tasks, a worker for one invocation runs one; all others run both.
    first = getattr(leaving, task)().get_result(timeout=60)
    assert leaving.folder_is_there().get_result(timeout=60) is True
    wait_until(lambda: leaving.left_by(first) == ALL_THERE, "all that the replaced worker has left")
    # The process that workers are forked from continues, and the objects of its imports stay.
    assert leaving.folder_is_there().get_result(timeout=60) is True
    second = getattr(leaving, task)().get_result(timeout=60)
    assert second != first
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0
    assert leaving.left_by(second) == ALL_THERE


def test_threads_and_exit_functions_of_a_thread_runners_body_complete_at_the_end_of_the_program(
    processes: Processes, leaving: Any
) -> None:
    runner = processes.runner("leaving", PYNENC__RUNNER_CLS="ThreadRunner", **ONE_SLOT)
    pid = leaving.leave().get_result(timeout=60)
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0
    assert pid == runner.pid
    assert leaving.left_by(pid) == ALL_THERE


def test_exit_functions_are_called_although_a_body_of_a_thread_runner_has_left_a_thread(
    processes: Processes, leaving: Any
) -> None:
    runner = processes.runner("leaving", PYNENC__RUNNER_CLS="ThreadRunner", PYNENC__STOP_GRACE_SEC="2", **ONE_SLOT)
    pid = leaving.leave().get_result(timeout=60)
    assert leaving.leave_a_thread_that_never_ends().get_result(timeout=60) == pid
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0
    assert "never-ends" in runner.output()
    assert leaving.left_by(pid) == ALL_THERE


@pytest.mark.parametrize("runner_cls", WORKER_RUNNERS)
def test_a_thread_that_never_ends_holds_a_stop_up_for_the_grace_and_is_named(
    processes: Processes, leaving: Any, runner_cls: str
) -> None:
    runner = processes.runner("leaving", PYNENC__RUNNER_CLS=runner_cls, PYNENC__STOP_GRACE_SEC="1", **ONE_SLOT)
    pid = leaving.leave_a_thread_that_never_ends().get_result(timeout=60)
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0
    assert not os.path.exists(f"/proc/{pid}")
    assert "never-ends" in runner.output()
    assert "Traceback" not in runner.output()
