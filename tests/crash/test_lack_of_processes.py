"""The limit of processes and threads of a user is reached (A9): no claims, a clear error, and on when it is lifted."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.ledger import Ledger
from support.processes import TESTS, Child, Processes, descendants, send_all
from support.waiting import wait_until
from support.worlds import load_jobs

from pynenc.exceptions import InvocationCancelledError

WORKER_RUNNERS = ["PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
PROGRAM = "support.programs.as_another_user"


@pytest.fixture
def jobs(sqlite_env: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYNENC__LEASE_SEC", "600")
    return load_jobs()


class Limited:
    """A runner whose user has few processes at times."""

    def __init__(self, processes: Processes, runner_cls: str, slots: int) -> None:
        sizes = dict.fromkeys(("NUM_PROCESSES", "MIN_PROCESSES", "MAX_PROCESSES", "PROCESSES"), "1")
        sizes |= {"MAX_THREADS": str(slots), "CONCURRENCY": str(slots), "RUNNER_CLS": runner_cls}
        environment = {f"PYNENC__{name}": value for name, value in sizes.items()}
        environment["PYTHONPATH"] = os.pathsep.join(map(str, (TESTS / "support" / "limited", TESTS)))
        command = ("-m", PROGRAM, "-m", "pynenc", "--app", "support.jobs", "runner", "start")
        self.child: Child = processes.python(*command, **environment)

    def allow(self, number: int) -> None:
        """So many processes and threads from now on; 0: as many as it wants."""
        flags.raise_flag("limit", str(number))

        def told() -> bool:
            # A worker may end, and a worker that was forked meanwhile has the previous limit.
            others = [pid for pid in self._pids() if self._limit(pid) not in (number, None)]
            for pid in others:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGUSR1)
            return not others

        wait_until(told, f"a limit of {number}")

    def workers(self) -> set[int]:
        """Return the processes below the zygote."""
        return {pid for zygote in self._children(self.child.pid) for pid in self._children(zygote)}

    def tasks(self) -> int:
        """How many processes and threads there are."""
        return sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in self._pids())

    def said(self, text: str) -> int:
        """How often it has printed this."""
        return self.child.output().count(text)

    def stop(self) -> None:
        """In order."""
        self.child.send(signal.SIGTERM)
        assert self.child.wait() == 0, self.child.output()

    def _pids(self) -> list[int]:
        return [self.child.pid, *descendants(self.child.pid)]

    @staticmethod
    def _children(pid: int) -> set[int]:
        return {child for child in descendants(pid) if f"\nPPid:\t{pid}\n" in _read(child, "status")}

    @staticmethod
    def _limit(pid: int) -> int | None:
        line = next((line for line in _read(pid, "limits").splitlines() if line.startswith("Max processes")), "")
        fields = line.split()
        if not fields:
            return None
        return 0 if fields[2] == fields[3] else int(fields[2])


def _read(pid: int, name: str) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/{name}").read_text()
    return ""


def _all_done_once(jobs: Any, ledger: Ledger, invocations: Any, tags: list[str]) -> None:
    assert list(invocations.results) == tags
    runs = [event["tag"] for event in ledger.of_kind("run")]
    assert sorted(runs) == sorted(tags), "each body once"


@pytest.mark.parametrize("left", [0, 2])
@pytest.mark.parametrize("runner_cls", WORKER_RUNNERS)
def test_a_runner_whose_workers_cannot_be_replaced_waits_and_says_so_and_loses_nothing(
    processes: Processes, jobs: Any, ledger: Ledger, runner_cls: str, left: int
) -> None:
    """Without room for a process, or for all threads of one, a worker that cannot start does not count as broken."""
    runner = Limited(processes, runner_cls, slots=1)
    assert jobs.basics.add(1, 1).get_result(timeout=60) == 2
    runner.allow(1)
    send_all(runner.workers(), signal.SIGKILL)
    wait_until(lambda: not runner.workers(), "no worker is left")
    runner.allow(runner.tasks() + left)
    tags = [f"tag-{number}" for number in range(20)]
    invocations = jobs.basics.note.parallelize([(tag,) for tag in tags])
    # More attempts than an app that cannot be imported would get.
    wait_until(lambda: runner.said("no worker process can be started, trying again in 1 s") > 3, "it says so", 60)
    assert runner.child.process.poll() is None
    assert {str(invocation.status) for invocation in invocations} == {"registered"}, "nothing was claimed"
    assert "Traceback" not in runner.child.output()
    runner.allow(0)
    _all_done_once(jobs, ledger, invocations, tags)
    runner.stop()


@pytest.mark.parametrize("runner_cls", ["ThreadRunner", "MultiThreadRunner", "AsyncRunner"])
def test_a_runner_that_can_start_no_thread_claims_nothing_for_it_and_says_so(
    processes: Processes, jobs: Any, ledger: Ledger, runner_cls: str
) -> None:
    runner = Limited(processes, runner_cls, slots=3)
    held = [jobs.basics.until("gate-0")]
    flags.await_flag("gate-0-started")
    # The thread that listens is there.
    assert jobs.basics.add(1, 1).get_result(timeout=60) == 2
    runner.allow(1)
    held.append(jobs.basics.until("gate-1"))
    tags = [f"tag-{number}" for number in range(20)]
    invocations = jobs.basics.note.parallelize([(tag,) for tag in tags])
    wait_until(lambda: runner.said("cannot start a thread") > 2, "it says so", 60)
    assert runner.child.process.poll() is None
    allowed = {"registered", "rerouted", "success"}
    wait_until(lambda: {str(one.status) for one in invocations} <= allowed, "nothing is kept that cannot run")
    runner.allow(0)
    _all_done_once(jobs, ledger, invocations, tags)
    for number, one in enumerate(held):
        flags.raise_flag(f"gate-{number}", "open")
        assert one.get_result(timeout=60) == "open"
    runner.stop()


@pytest.mark.parametrize("runner_cls", ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner"])
def test_a_body_that_nobody_could_end_at_its_limit_does_not_begin(
    processes: Processes, jobs: Any, ledger: Ledger, runner_cls: str
) -> None:
    """The first body with a limit starts a thread that keeps the time. If it cannot start, the task is not at fault."""
    runner = Limited(processes, runner_cls, slots=1)
    assert jobs.basics.add(1, 1).get_result(timeout=60) == 2
    runner.allow(1)
    invocation = jobs.limits.note_in_time("tag")
    wait_until(lambda: runner.said("cannot start a thread: RuntimeError"), "it says so", 60)
    assert not ledger.of_kind("run")
    runner.allow(0)
    assert invocation.get_result(timeout=60) == "tag"
    assert len(ledger.of_kind("run")) == 1
    assert "Traceback" not in runner.child.output()
    runner.stop()


@pytest.mark.parametrize(
    "runner_cls", ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner"]
)
def test_a_cancellation_that_cannot_be_carried_out_yet_is_not_forgotten(
    processes: Processes, jobs: Any, runner_cls: str
) -> None:
    runner = Limited(processes, runner_cls, slots=1)
    invocation = jobs.basics.until("gate")
    flags.await_flag("gate-started")
    runner.allow(1)
    invocation.cancel()
    wait_until(
        lambda: runner.said(f"{invocation.invocation_id} is not cancelled yet, trying again in 1 s"), "it says so", 60
    )
    assert str(invocation.status) == "running"
    runner.allow(0)
    with pytest.raises(InvocationCancelledError):
        invocation.get_result(timeout=60)
    assert "Traceback" not in runner.child.output()
    runner.stop()
