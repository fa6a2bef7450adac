"""SIGHUP stops a runner in order, SIGUSR1 prints the stacks of its threads, and an unread log blocks nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support import flags
from support.processes import Processes, child_environment
from support.waiting import wait_until
from support.worlds import load_jobs

BUILT_IN = ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
SIZES = {
    f"PYNENC__{name}": "2"
    for name in ("MAX_THREADS", "NUM_PROCESSES", "MAX_PROCESSES", "CONCURRENCY", "MIN_PARALLEL_SLOTS")
}


@pytest.fixture
def jobs(shared_env: None) -> Any:
    return load_jobs()


@contextmanager
def _runner(runner_cls: str, stderr: int | None = None, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A runner in a separate session."""
    settings = {"PYNENC__RUNNER_CLS": runner_cls, **SIZES, **environment}
    command = [sys.executable, "-m", "pynenc", "--app", "support.jobs", "runner", "start"]
    with subprocess.Popen(
        command, env=child_environment(settings), start_new_session=True, stdout=subprocess.DEVNULL, stderr=stderr
    ) as runner:
        try:
            yield runner
        finally:
            runner.kill()


@pytest.mark.parametrize("runner_cls", BUILT_IN)
def test_a_hangup_stops_a_runner_in_order(jobs: Any, runner_cls: str) -> None:
    """A terminal sends the signal to the workers too, which leave it to their runner."""
    with _runner(runner_cls) as runner:
        held = jobs.basics.until("gate")
        flags.await_flag("gate-started")
        os.killpg(runner.pid, signal.SIGHUP)
        flags.raise_flag("gate", "finished in its grace")
        assert runner.wait(60) == 0
    assert held.get_result(timeout=30) == "finished in its grace"
    assert jobs.app._runtime.store.get(held.invocation_id).recoveries == 0


def test_under_nohup_a_hangup_is_ignored(processes: Processes, jobs: Any) -> None:
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); from pynenc.cli.main import main; main()"
    runner = processes.python("-c", code, "--app", "support.jobs", "runner", "start", PYNENC__RUNNER_CLS="ThreadRunner")
    runner.await_output("Starting runner for app")
    assert jobs.basics.add(1, 2).get_result(timeout=60) == 3
    runner.send(signal.SIGHUP)
    assert jobs.basics.add(3, 4).get_result(timeout=60) == 7
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0


@pytest.mark.parametrize("runner_cls", BUILT_IN)
def test_sigusr1_dumps_where_the_threads_are(processes: Processes, jobs: Any, runner_cls: str) -> None:
    runner = processes.started_runner(PYNENC__RUNNER_CLS=runner_cls, **SIZES)
    held = jobs.basics.whoami_until("gate")
    body = int(flags.await_flag("gate-pid"))
    # One after the other, because they write to the same file.
    for pid, function in ((body, "whoami_until"), (runner.pid, "run_start")):
        os.kill(pid, signal.SIGUSR1)
        wait_until(lambda end=f"in {function}\n": end in runner.output(), f"{function} is among the stacks")
    flags.raise_flag("gate", "")
    assert held.get_result(timeout=60) == body
    assert runner.process.poll() is None


@contextmanager
def _full_pipe() -> Iterator[tuple[int, int]]:
    """Return both ends of a full pipe without a reader."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"." * 4095 + b"\n")
    os.set_blocking(writer, True)
    try:
        yield reader, writer
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("runner_cls", BUILT_IN)
def test_a_log_that_nobody_reads_holds_up_neither_work_nor_a_stop(jobs: Any, runner_cls: str) -> None:
    with _full_pipe() as (_, writer), _runner(runner_cls, writer, PYNENC__LOGGING_LEVEL="debug") as runner:
        assert jobs.basics.log_much(1_000).get_result(timeout=60) == 1_000
        assert len(list(jobs.basics.add.parallelize([(n, n) for n in range(20)]).results)) == 20
        runner.send_signal(signal.SIGTERM)
        assert runner.wait(60) == 0


def test_lines_that_had_to_wait_are_written_in_order_when_somebody_reads(jobs: Any) -> None:
    with _full_pipe() as (reader, writer), _runner("ThreadRunner", writer) as runner:
        assert jobs.basics.log_much(1_000).get_result(timeout=60) == 1_000
        os.set_blocking(reader, False)
        read = bytearray()

        def look() -> bool:
            with contextlib.suppress(BlockingIOError):
                read.extend(os.read(reader, 1 << 16))
            return b" line 999\n" in read

        wait_until(look, "the last line comes")
        runner.send_signal(signal.SIGTERM)
        assert runner.wait(60) == 0
    numbers = [int(line.rpartition(b" ")[2]) for line in bytes(read).splitlines() if b". line " in line]
    assert numbers == list(range(1_000))
