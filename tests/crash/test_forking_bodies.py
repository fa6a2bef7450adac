"""Processes that bodies fork: they wait as clients do, settle nothing, and do not outlive the worker."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.processes import Child, Processes
from support.waiting import wait_until
from support.worlds import load_jobs

WORKER_RUNNERS = ["PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
RUNNERS = ["ThreadRunner", *WORKER_RUNNERS]


@pytest.fixture
def jobs(sqlite_env: None) -> Any:
    return load_jobs()


@pytest.fixture
def jobs_anywhere(shared_env: None) -> Any:
    return load_jobs()


def _runner(
    processes: Processes, runner_cls: str, slots: int = 3, app: str = "support.jobs", **environment: str
) -> Child:
    """A body that waits for a process keeps its slot, so the calls of that process need other slots."""
    count = str(slots)
    sizes = {"PYNENC__NUM_PROCESSES": count, "PYNENC__MAX_PROCESSES": "1", "PYNENC__MIN_PROCESSES": "1"}
    sizes |= {"PYNENC__PROCESSES": "1", "PYNENC__MAX_THREADS": count, "PYNENC__CONCURRENCY": count}
    if runner_cls == "ProcessRunner":
        sizes["PYNENC__MAX_PROCESSES"] = count
    return processes.started_runner(app, **{**sizes, "PYNENC__RUNNER_CLS": runner_cls, **environment})


def _imported(monkeypatch: pytest.MonkeyPatch, name: str) -> Any:
    """Import a module of this test, not that of another test with the same name."""
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)


def _history(jobs: Any, invocation: Any) -> list[str]:
    return [str(entry.status) for entry in jobs.app.state_backend.get_history(invocation.invocation_id)]


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _of_this_test() -> list[int]:
    """Other processes that were given the flags of this test."""
    mark, found = os.environ[flags.DIR_VARIABLE].encode(), []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes():
                    found.append(int(process.name))
    return found


def _stop(runner: Child, seconds: float = 60.0) -> None:
    runner.send(signal.SIGTERM)
    assert runner.wait(seconds) == 0, runner.output()


@pytest.mark.parametrize("runner_cls", RUNNERS)
def test_a_process_that_a_body_forks_waits_as_a_client_does(
    processes: Processes, jobs_anywhere: Any, runner_cls: str
) -> None:
    forks = jobs_anywhere.forks
    runner = _runner(processes, runner_cls)
    for way in forks.WAYS:
        invocation = forks.in_a_fork(way, 2)
        assert invocation.get_result(timeout=60) == ["3", "running"], way
        assert _history(jobs_anywhere, invocation) == ["registered", "pending", "running", "success"]
        assert forks.in_a_pool(way, [1, 2, 3]).get_result(timeout=60) == [2, 3, 4], way
        assert forks.in_an_executor(way, [1, 2, 3]).get_result(timeout=60) == [2, 3, 4], way
        assert forks.in_an_executor_of_a_loop(way, [1, 2, 3]).get_result(timeout=60) == [2, 3, 4], way
    assert forks.with_a_time_limit(1).get_result(timeout=60) == ["the worker", 1]
    assert "has timed out" not in runner.output()
    _stop(runner)
    wait_until(lambda: not _of_this_test(), "no copy is left")


@pytest.mark.parametrize("runner_cls", RUNNERS)
def test_the_copy_of_a_coroutine_that_forked_ends_and_runs_no_other_body(
    processes: Processes, jobs: Any, runner_cls: str
) -> None:
    runner = _runner(processes, runner_cls)
    ticking = jobs.forks.tick("tick", 200)
    flags_of_ticks = Path(os.environ[flags.DIR_VARIABLE])
    wait_until(lambda: any(flags_of_ticks.glob("flag-tick-0-*")), "it ticks")
    assert jobs.forks.fork_and_return().get_result(timeout=60) == "the worker"
    assert jobs.forks.fork_and_await("after-the-await").get_result(timeout=60) == "the worker"
    (pid,) = set(ticking.get_result(timeout=60))
    seen = {path.name.rpartition("-")[2] for path in flags_of_ticks.glob("flag-tick-*")}
    assert seen == {str(pid)}, "in no copy"
    if runner_cls == "AsyncRunner":
        assert not flags.is_raised("after-the-await"), "a copy does not come back to the loop"
    _stop(runner)
    wait_until(lambda: not _of_this_test(), "no copy is left")


@pytest.mark.parametrize("runner_cls", WORKER_RUNNERS)
@pytest.mark.parametrize("what", ["a daemon", "an idle executor", "a busy executor"])
def test_processes_that_a_body_starts_by_multiprocessing_end_with_its_worker(
    processes: Processes, jobs: Any, runner_cls: str, what: str
) -> None:
    runner = _runner(processes, runner_cls)
    if what == "a daemon":
        pids = [jobs.forks.leave_a_process(True).get_result(timeout=60)]
    else:
        pids = jobs.forks.leave_an_executor(what == "a busy executor").get_result(timeout=60)
    if runner_cls == "ProcessRunner":
        wait_until(lambda: not any(map(_is_alive, pids)), "gone with the process of the invocation")
    _stop(runner)
    wait_until(lambda: not any(map(_is_alive, pids)), "gone with the runner")


@pytest.mark.parametrize("runner_cls", WORKER_RUNNERS)
def test_a_process_that_does_not_end_does_not_hold_up_a_stop(processes: Processes, jobs: Any, runner_cls: str) -> None:
    """A non-daemon process: an interpreter would wait for it forever."""
    runner = _runner(processes, runner_cls)
    pid = jobs.forks.leave_a_process(False).get_result(timeout=60)
    _stop(runner, 20.0)
    os.kill(pid, signal.SIGKILL)


NUMPY = """
import random as _random
_global = _random.Random(7)

def seed(value=None):
    _global.seed(value)

def random():
    return _global.random()
"""


@pytest.mark.parametrize("runner_cls", ["ProcessRunner", "PersistentProcessRunner"])
def test_workers_do_not_draw_the_same_random_numbers(
    processes: Processes, sqlite_env: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runner_cls: str
) -> None:
    """The generators that forked workers share: those of `random` and numpy, and those that a hook seeds."""
    folder = tmp_path / "installed" / "numpy"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("from numpy import random\n")
    (folder / "random.py").write_text(NUMPY)
    (tmp_path / "drawing.py").write_text(
        "import os, random, threading, numpy\nfrom pynenc import Pynenc\napp = Pynenc()\nown = random.Random(7)\n\n"
        "@app.on_worker_start\ndef new_numbers() -> None:\n    own.seed()\n\n"
        "@app.task\ndef draw() -> list[float]:\n"
        "    return [os.getpid(), random.random(), numpy.random.random(), own.random()]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(folder.parent))
    path = os.pathsep.join([str(tmp_path), str(folder.parent), str(Path(flags.__file__).parent.parent)])
    runner = _runner(processes, runner_cls, slots=2, app="drawing", PYTHONPATH=path)
    drawing = _imported(monkeypatch, "drawing")
    seen: dict[int, list[float]] = {}

    def two_workers() -> bool:
        pid, *numbers = drawing.draw().get_result(timeout=60)
        seen.setdefault(int(pid), numbers)
        return len(seen) >= 2

    wait_until(two_workers, "numbers of two workers")
    for first, second in zip(*list(seen.values())[:2], strict=True):
        assert first != second
    _stop(runner)


def _app(folder: Path, body: str) -> None:
    (folder / "starting.py").write_text(
        "import os\nfrom pynenc import Pynenc\napp = Pynenc()\nstarts = []\n\n"
        f"@app.on_worker_start\ndef note() -> None:\n    {body}\n\n"
        "@app.task\ndef seen() -> list[int]:\n    return [len(starts), int(starts[-1] == os.getpid())]\n"
    )


@pytest.mark.parametrize("runner_cls", RUNNERS)
def test_the_hook_is_called_once_in_each_process_that_runs_bodies(
    processes: Processes, sqlite_env: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runner_cls: str
) -> None:
    _app(tmp_path, "starts.append(os.getpid())")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = os.pathsep.join([str(tmp_path), str(Path(flags.__file__).parent.parent)])
    runner = _runner(processes, runner_cls, app="starting", PYTHONPATH=path)
    starting = _imported(monkeypatch, "starting")
    for _ in range(4):
        assert starting.seen().get_result(timeout=60) == [1, 1]
    _stop(runner)


@pytest.mark.parametrize("runner_cls", RUNNERS)
def test_a_hook_that_raises_ends_the_runner_with_the_reason(
    processes: Processes, sqlite_env: None, tmp_path: Path, runner_cls: str
) -> None:
    _app(tmp_path, "raise ValueError('not today')")
    path = os.pathsep.join([str(tmp_path), str(Path(flags.__file__).parent.parent)])
    runner = _runner(processes, runner_cls, app="starting", PYTHONPATH=path)
    assert runner.wait() == 1
    assert "on_worker_start: starting.note raised ValueError: not today" in runner.output()


def test_a_hook_must_be_a_plain_function(jobs: Any) -> None:
    async def starts() -> None: ...

    for wrong in (starts, "a name", None):
        with pytest.raises(TypeError, match="on_worker_start takes a plain function"):
            jobs.app.on_worker_start(wrong)


@pytest.mark.parametrize("runner_cls", ["ThreadRunner", "MultiThreadRunner", "AsyncRunner"])
def test_a_process_that_is_forked_amid_writes_can_write(processes: Processes, jobs: Any, runner_cls: str) -> None:
    """SQLite would leave the lock of the writer to the child, where no code ever releases it."""
    runner = _runner(processes, runner_cls, slots=4)
    over = threading.Event()

    def load() -> None:
        while not over.is_set():
            list(jobs.basics.add.parallelize([(number, 1) for number in range(50)]).results)

    loader = threading.Thread(target=load)
    loader.start()
    try:
        for number in range(15):
            # A call that finds the store locked for `store_timeout_sec` (10 s) fails.
            told, _ = jobs.forks.in_a_fork("result", number).get_result(timeout=60)
            assert told == str(number + 1)
    finally:
        over.set()
        loader.join()
    _stop(runner)
