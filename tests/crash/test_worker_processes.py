"""Runners with worker processes: workers that die, parents that die, bodies that take the process with them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.bars import assert_within
from support.processes import Child, Processes, cpu_seconds, descendants, freeze, send_all
from support.waiting import wait_until
from support.worlds import load_jobs

from pynenc.exceptions import InvocationAbandonedError, RemoteError

WORKER_RUNNERS = ["PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
LONG_LEASE = "600"
"""Far longer than any test: only steps that wait for no lease can pass."""


@pytest.fixture(params=WORKER_RUNNERS)
def runner_cls(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def jobs(sqlite_env: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYNENC__LEASE_SEC", LONG_LEASE)
    return load_jobs()


@pytest.fixture
def jobs_anywhere(shared_env: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """For tests that involve the store: on each of them."""
    monkeypatch.setenv("PYNENC__LEASE_SEC", LONG_LEASE)
    return load_jobs()


FALLBACKS = Path(flags.__file__).parent / "fallbacks"


@pytest.fixture(params=["all", "without"])
def means(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the features of Linux, and without pidfd, a parent's death signal, and close-on-exec descriptors."""
    if request.param == "without":
        monkeypatch.setenv("PYTHONPATH", str(FALLBACKS))
    return str(request.param)


def _check_means(jobs: Any, means: str) -> None:
    """Check that the workers really have, or lack, the features of this test."""
    assert jobs.faults.platform_means().get_result(timeout=60) == [means == "all"] * 3


def _runner(processes: Processes, runner_cls: str, slots: int = 2, **environment: str) -> Child:
    sizes = {
        "PYNENC__NUM_PROCESSES": str(slots),
        "PYNENC__MAX_PROCESSES": str(slots),
        "PYNENC__MIN_PROCESSES": str(slots),
        "PYNENC__PROCESSES": str(slots),
        "PYNENC__CONCURRENCY": "1",
        "PYNENC__RUNNER_CLS": runner_cls,
    }
    return processes.runner(**{**sizes, **environment})


def _held(jobs: Any, name: str) -> tuple[Any, int]:
    """An invocation that waits for the flag, and the process that runs it."""
    invocation = jobs.basics.until(name)
    return invocation, int(flags.await_flag(f"{name}-started"))


def _state(pid: int) -> str:
    """`R`, `S`, `Z` …; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _states(pid: int) -> set[str]:
    """Of all threads of a process."""
    found = set()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # It may have ended since.
            found.add((thread / "stat").read_text().rpartition(")")[2].split()[0])
    return found


def _stop(runner: Child) -> None:
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()


def _await_other_process(name: str, pid: int) -> int:
    """Block until the body that raises this flag runs again, elsewhere; where."""
    return int(wait_until(lambda: (text := flags.flag_text(name)) != str(pid) and text, "it runs again"))


def test_a_body_of_a_killed_worker_runs_again_at_once_while_other_workers_go_on(
    processes: Processes, jobs_anywhere: Any, runner_cls: str, means: str
) -> None:
    runner = _runner(processes, runner_cls)
    _check_means(jobs_anywhere, means)
    invocation, pid = _held(jobs_anywhere, "gate")
    sibling, other = _held(jobs_anywhere, "sibling")
    assert len({pid, other, runner.pid}) == 3
    killed = time.time()
    os.kill(pid, signal.SIGKILL)
    _await_other_process("gate-started", pid)
    flags.raise_flag("gate", "again")
    assert invocation.get_result(timeout=60) == "again"
    entries = jobs_anywhere.app.state_backend.get_history(invocation.invocation_id)
    recovery = next(entry for entry in entries if str(entry.status) == "running_recovery")
    restart = [entry for entry in entries if str(entry.status) == "running"][-1]
    assert recovery.note == "killed by signal 9 (out of memory?)"
    # The bar is 1 s; the rest is for a machine with other things to do.
    assert restart.timestamp.timestamp() - killed < 5.0
    assert flags.flag_text("sibling-started") == str(other)
    flags.raise_flag("sibling", "untouched")
    assert sibling.get_result(timeout=60) == "untouched"
    _stop(runner)


@pytest.mark.parametrize("body", ["waits", "blocks the loop", "holds the GIL"])
def test_workers_die_with_their_runner(processes: Processes, jobs: Any, runner_cls: str, means: str, body: str) -> None:
    """Within a second, the bar of A4: median of three times, see `bars`."""
    assert_within(1.0, lambda number: _outlived_sec(processes, jobs, runner_cls, means, body, number))


def _outlived_sec(processes: Processes, jobs: Any, runner_cls: str, means: str, body: str, number: int) -> float:
    """How long the workers of a runner with a busy body are there after it."""
    runner = _runner(processes, runner_cls)
    _check_means(jobs, means)
    _held(jobs, f"gate-{number}")
    if body != "waits":
        busy = jobs.faults.hold_the_gil(60.0) if body == "holds the GIL" else jobs.basics.block_the_loop(60.0)
        wait_until(lambda: str(busy.status) == "running", "a body that does not listen")
    below = descendants(runner.pid)
    assert len(below) >= 2, "a zygote and a worker"
    killed = time.monotonic()
    runner.send(signal.SIGKILL)
    runner.wait()
    wait_until(lambda: not any(_state(pid) not in ("", "Z") for pid in below), "they are gone", 10)
    return time.monotonic() - killed


def test_nothing_of_a_dead_runners_workers_is_published_after_another_one_took_over(
    processes: Processes, jobs_anywhere: Any, monkeypatch: pytest.MonkeyPatch, runner_cls: str, means: str
) -> None:
    """The workers are frozen when their runner dies; if the kernel has not killed them, they continue later."""
    monkeypatch.setenv("PYNENC__LEASE_SEC", "1")
    first = _runner(processes, runner_cls)
    _check_means(jobs_anywhere, means)
    invocation, _ = _held(jobs_anywhere, "gate")
    below = descendants(first.pid)
    freeze(below, jobs_anywhere.app.conf.store_url)
    # Whichever of them had it at last: a machine that is busy for a second costs a lease.
    pid = int(flags.flag_text("gate-started"))
    first.send(signal.SIGKILL)
    first.wait()
    second = _runner(processes, runner_cls)
    other = _await_other_process("gate-started", pid)
    flags.raise_flag("gate", "by the second")
    assert invocation.get_result(timeout=60) == "by the second"
    flags.raise_flag("gate", "too late")
    for one in below:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGCONT)
    wait_until(lambda: not any(_state(one) not in ("", "Z") for one in below), "the workers of the first are gone", 10)
    history = jobs_anywhere.app.state_backend.get_history(invocation.invocation_id)
    assert [str(entry.status) for entry in history if entry.status.is_final()] == ["success"]
    assert f"-{other})" in history[-1].runner, "published by the one that took over"
    assert "running_recovery" in [str(entry.status) for entry in history]
    assert load_jobs().app.state_backend.get_result(invocation.invocation_id) == "by the second"
    _stop(second)


def test_a_process_whose_body_waits_is_not_stopped_and_keeps_nobody_from_writing(
    processes: Processes, jobs: Any, runner_cls: str
) -> None:
    """A stopped process (state T) keeps its resources, such as a lock of the database."""
    runner = _runner(processes, runner_cls)
    parent = jobs.waits.wait_and_say_where("gate")
    pid = int(flags.await_flag("waits-here"))
    flags.await_flag("gate-started")
    wait_until(lambda: str(parent.status) == "paused", "its slot is lent")
    for number in range(20):
        assert jobs.basics.add(number, 1).get_result(timeout=60) == number + 1
        assert _states(pid) <= {"R", "S", "D"}
    assert str(parent.status) == "paused"
    flags.raise_flag("gate", "open")
    assert parent.get_result(timeout=60) == "open"
    _stop(runner)


def test_a_zygote_that_imports_for_long_dies_with_its_runner(
    processes: Processes, sqlite_env: None, tmp_path: Path, means: str
) -> None:
    module = tmp_path / "takes_its_time.py"
    module.write_text(
        "import os, threading\nfrom pynenc import Pynenc\nfrom support import flags\n"
        "if os.environ.get('SEEN'):\n    flags.raise_flag('importing')\n    threading.Event().wait()\n"
        "os.environ['SEEN'] = '1'\napp = Pynenc()\n"
    )
    runner = processes.runner(str(module), PYNENC__RUNNER_CLS="PersistentProcessRunner")
    flags.await_flag("importing")
    (zygote,) = descendants(runner.pid)
    runner.send(signal.SIGKILL)
    runner.wait()
    wait_until(lambda: _state(zygote) in ("", "Z"), "it is gone", 10)


def test_a_body_that_kills_its_worker_is_buried_with_the_signal(
    processes: Processes, jobs_anywhere: Any, runner_cls: str
) -> None:
    runner = _runner(processes, runner_cls, slots=1)
    poison = jobs_anywhere.faults.kill_own_process()
    with pytest.raises(InvocationAbandonedError, match=r"4 times.*killed by signal 9 \(out of memory\?\)"):
        poison.get_result(timeout=60)
    assert jobs_anywhere.basics.add(1, 1).get_result(timeout=60) == 2, "the runner goes on"
    _stop(runner)


def test_bodies_that_leave_in_odd_ways_end_as_failed_and_their_worker_lives(
    processes: Processes, jobs: Any, runner_cls: str
) -> None:
    runner = _runner(processes, runner_cls, slots=1)
    faults = jobs.faults
    for invocation, name in [
        (faults.exit_with(3), "builtins.SystemExit"),
        (faults.exit_in_coroutine(), "builtins.SystemExit"),
        (faults.raise_keyboard_interrupt(), "builtins.KeyboardInterrupt"),
        (faults.raise_generator_exit(), "builtins.GeneratorExit"),
        (faults.raise_base_exception(), "support.jobs.faults.OddBaseException"),
    ]:
        # An exception that would end the client must not arrive as its class.
        with pytest.raises(RemoteError) as raised:
            invocation.get_result(timeout=60)
        assert raised.value.type_name == name
        assert str(invocation.status) == "failed"
    recursion = faults.recurse_for_ever()
    with pytest.raises(RecursionError) as endless:
        recursion.get_result(timeout=60)
    assert type(endless.value) is RecursionError
    assert str(recursion.status) == "failed"
    assert "worker process" not in runner.output(), "no worker has died"
    _stop(runner)


def test_a_stopped_runner_hands_back_what_outlasts_the_grace(processes: Processes, jobs: Any, runner_cls: str) -> None:
    runner = _runner(processes, runner_cls, PYNENC__STOP_GRACE_SEC="0.3")
    invocation, pid = _held(jobs, "gate")
    below = descendants(runner.pid)
    _stop(runner)
    assert str(invocation.status) == "rerouted"
    assert not any(_state(pid) for pid in below), "neither processes nor zombies are left"
    second = _runner(processes, runner_cls)
    _await_other_process("gate-started", pid)
    flags.raise_flag("gate", "by the second")
    assert invocation.get_result(timeout=60) == "by the second"
    _stop(second)


def test_a_stopped_runner_lets_a_body_finish_and_a_second_signal_does_not(
    processes: Processes, jobs: Any, runner_cls: str
) -> None:
    first = _runner(processes, runner_cls)
    invocation, _ = _held(jobs, "gate")
    first.send(signal.SIGTERM)
    first.await_output("asked to stop by SIGTERM")
    flags.raise_flag("gate", "in its time")
    assert first.wait() == 0
    assert invocation.get_final_result() == "in its time"
    second = _runner(processes, runner_cls, PYNENC__STOP_GRACE_SEC="600")
    other, _ = _held(jobs, "other")
    second.send(signal.SIGTERM)
    second.await_output("asked to stop by SIGTERM")
    second.send(signal.SIGTERM)
    assert second.wait(30) == 0
    assert str(other.status) == "rerouted"


def test_a_signal_for_the_whole_group_stops_a_runner_in_order(processes: Processes, jobs: Any, runner_cls: str) -> None:
    """As a terminal does with Ctrl-C."""
    runner = _runner(processes, runner_cls)
    invocation, _ = _held(jobs, "gate")
    send_all([*descendants(runner.pid), runner.pid], signal.SIGINT)
    runner.await_output("asked to stop by SIGINT")
    flags.raise_flag("gate", "finished")
    assert runner.wait() == 0
    assert invocation.get_final_result() == "finished"
    assert "Traceback" not in runner.output()


@pytest.mark.alone
def test_an_idle_runner_with_workers_uses_hardly_any_cpu(processes: Processes, jobs: Any, runner_cls: str) -> None:
    runner = _runner(processes, runner_cls)
    assert jobs.basics.add(1, 1).get_result(timeout=60) == 2

    def used() -> float:
        return sum(cpu_seconds(pid) for pid in [runner.pid, *descendants(runner.pid)])

    def load() -> float:
        before, began = used(), time.monotonic()
        with pytest.raises(Exception, match="timed out"):
            runner.process.wait(1.5)
        return (used() - before) / (time.monotonic() - began)

    wait_until(lambda: (share := load()) < 0.02 and (print(f"idle: {share:.3%} of a core") or True), "it rests", 30)
    _stop(runner)


def test_nothing_leaks_while_workers_come_and_go(processes: Processes, jobs: Any) -> None:
    runner = _runner(processes, "ProcessRunner", slots=1)
    folder = Path(f"/proc/{runner.pid}/fd")

    def counts() -> tuple[int, int]:
        zygote = min(descendants(runner.pid))
        return len(list(folder.iterdir())), len(list(Path(f"/proc/{zygote}/fd").iterdir()))

    def run(count: int) -> None:
        assert len(list(jobs.basics.whoami.parallelize([() for _ in range(count)]).results)) == count
        wait_until(lambda: len(descendants(runner.pid)) == 4, "the zygote, one that listens, and two that are warm")

    run(3)
    before = counts()
    run(20)
    # Not exactly as many: an invocation that was being passed on may have been counted.
    wait_until(
        lambda: all(now <= then for now, then in zip(counts(), before, strict=True)),
        f"no more descriptors than before: {before}",
    )
    assert not any(_state(pid) == "Z" for pid in descendants(runner.pid))
    _stop(runner)


def test_workers_are_replaced_after_so_many_tasks(processes: Processes, jobs: Any) -> None:
    runner = _runner(processes, "PersistentProcessRunner", slots=1, PYNENC__MAX_TASKS_PER_PROCESS="5")
    pids: set[int] = set()

    def several() -> bool:
        pids.add(jobs.basics.whoami().get_result(timeout=60))
        return len(pids) >= 3

    wait_until(several, "three workers have worked", 60)
    assert "has run 5 tasks: it is replaced" in runner.output()
    _stop(runner)


def test_a_frozen_worker_cannot_write_after_another_one_took_over(
    processes: Processes, jobs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYNENC__LEASE_SEC", "1")
    runner = _runner(processes, "PersistentProcessRunner")
    invocation, pid = _held(jobs, "gate")
    workers = wait_until(lambda: len(found := descendants(runner.pid)) >= 3 and found, "two workers and their parent")
    freeze([pid], jobs.app.conf.store_url)
    # Its bodies run alone next: in a third worker, which takes nothing else.
    _await_other_process("gate-started", pid)
    flags.raise_flag("gate", "by the second")
    assert invocation.get_result(timeout=60) == "by the second"
    flags.raise_flag("gate", "by the frozen one, too late")
    os.kill(pid, signal.SIGCONT)
    runner.await_output("was refused")
    assert load_jobs().app.state_backend.get_result(invocation.invocation_id) == "by the second"
    pids = set(jobs.basics.whoami.parallelize([() for _ in range(40)]).results)
    assert pids <= workers, "the same workers go on"
    _stop(runner)


def test_workers_are_started_anew_when_the_process_they_come_from_dies(processes: Processes, jobs: Any) -> None:
    runner = _runner(processes, "PersistentProcessRunner", slots=1)
    invocation, pid = _held(jobs, "gate")
    (zygote,) = descendants(runner.pid) - {pid}
    os.kill(zygote, signal.SIGKILL)
    _await_other_process("gate-started", pid)
    # Its parent was the zygote, so it is for the init of the system to reap it.
    assert _state(pid) in ("", "Z")
    flags.raise_flag("gate", "again")
    assert invocation.get_result(timeout=60) == "again"
    _stop(runner)
