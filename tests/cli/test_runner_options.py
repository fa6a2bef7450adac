"""Each number option of `pynenc runner start` has its effect, or is refused."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import pytest
from support import flags
from support.processes import Processes, child_environment
from support.waiting import wait_until
from support.worlds import load_jobs


@pytest.fixture
def jobs(sqlite_env: None) -> Any:
    return load_jobs()


def _start(processes: Processes, *options: str) -> Any:
    return processes.python("-m", "pynenc", "--app", "support.jobs", "runner", "start", *options)


def _held(jobs: Any, count: int) -> list[Any]:
    return [jobs.basics.until(f"gate{number}") for number in range(count)]


def _started(count: int) -> list[int]:
    """The bodies that have begun, out of so many."""
    return [number for number in range(count) if flags.is_raised(f"gate{number}-started")]


@pytest.mark.parametrize(
    ("options", "slots", "pids"),
    [
        (["--runner", "PersistentProcessRunner", "--processes", "3"], 3, 3),
        (["--runner", "ProcessRunner", "--processes", "3"], 3, 3),
        (["--runner", "MultiThreadRunner", "--processes", "3", "--threads", "1"], 3, 3),
        (["--runner", "MultiThreadRunner", "--processes", "1", "--threads", "3"], 3, 1),
        (["--runner", "AsyncRunner", "--processes", "3", "--concurrency", "1"], 3, 3),
        (["--runner", "AsyncRunner", "--processes", "1", "--concurrency", "3"], 3, 1),
        (["--runner", "ThreadRunner", "--threads", "3"], 3, 1),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_the_options_set_the_number_of_processes_and_slots(
    processes: Processes, jobs: Any, options: list[str], slots: int, pids: int
) -> None:
    runner = _start(processes, *options)
    held = _held(jobs, slots + 1)
    wait_until(lambda: len(_started(slots + 1)) == slots, "every slot is taken")
    assert len({flags.flag_text(f"gate{number}-started") for number in _started(slots + 1)}) == pids
    (waiting,) = set(range(slots + 1)) - set(_started(slots + 1))
    assert str(held[waiting].status) == "registered"
    # The call gets the slot of the first body that ends, and starts no sooner.
    first = _started(slots + 1)[0]
    flags.raise_flag(f"gate{first}", "open")
    flags.await_flag(f"gate{waiting}-started")
    assert held[first].get_result(timeout=60) == "open"
    for number in range(slots + 1):
        flags.raise_flag(f"gate{number}", "open")
    assert [invocation.get_result(timeout=60) for invocation in held] == ["open"] * (slots + 1)
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0


@pytest.mark.parametrize(
    ("runner_cls", "option"),
    [
        ("ThreadRunner", "processes"),
        ("ThreadRunner", "concurrency"),
        ("PersistentProcessRunner", "threads"),
        ("PersistentProcessRunner", "concurrency"),
        ("ProcessRunner", "threads"),
        ("ProcessRunner", "concurrency"),
        ("MultiThreadRunner", "concurrency"),
        ("AsyncRunner", "threads"),
    ],
)
def test_a_number_that_the_runner_does_not_have_is_refused_in_one_line(jobs: Any, runner_cls: str, option: str) -> None:
    command = [sys.executable, "-m", "pynenc", "--app", "support.jobs", "runner", "start"]
    done = subprocess.run(
        [*command, "--runner", runner_cls, f"--{option}", "2"],
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (f"pynenc: error: --{option} 2: {runner_cls} has no setting for the number of its {option}\n")
