"""Calls that would stop a fleet, and programs that would run nothing, among ordinary work: all of that is done."""

from __future__ import annotations

import signal
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from support.chaos import keep, rounds, size
from support.ledger import Ledger
from support.oracle import judge
from support.processes import Processes
from support.waiting import wait_until
from support.worlds import load_jobs

from pynenc import _core

RUNNERS = ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
MODULUS = 2**61 - 1
CLIENT = "support.programs.submitter"
LONG = 900 if size() != "short" else 120


@pytest.fixture
def jobs(shared_env: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYNENC__DECODE_LIMIT_SEC", "0.5")
    return load_jobs()


def _faultless(jobs: Any, ledger: Ledger, row: str, what: str, times: int, seed: int) -> None:
    verdict = judge(jobs.app, ledger)
    print(verdict)
    assert (verdict.lost, verdict.ghosts, verdict.double_results, verdict.unfinished) == (0, 0, 0, 0)
    store = jobs.app.conf.store_url.partition(":")[0]
    keep(f"{row} {store}", what, "kill of the process", times, seed, **asdict(verdict))


@pytest.mark.timeout(LONG)
@pytest.mark.parametrize("runner_cls", RUNNERS)
def test_hostile_payloads_among_ordinary_calls_stop_no_runner(
    processes: Processes, jobs: Any, ledger: Ledger, seed: int, runner_cls: str
) -> None:
    collisions, heavies, count = rounds(4, 40, 200), rounds(1, 4, 20), rounds(200, 2000, 10_000)
    if runner_cls == "ProcessRunner":
        # A process for each call is slow.
        count //= 5
    if runner_cls == "ThreadRunner":
        # It has no process to kill.
        heavies = 0
    numbers = b",".join(b"%d" % (number * MODULUS) for number in range(20_000))
    task_id = "support.jobs.undecodable.take_{}".format
    planted = [(task_id("numbers"), b'\x01{"value":[' + numbers + b"]}")] * collisions
    planted += [(task_id("heavy"), b'\x01{"value":"x"}')] * heavies
    sizes = dict.fromkeys(("PYNENC__NUM_PROCESSES", "PYNENC__MAX_PROCESSES", "PYNENC__PROCESSES"), "2")
    # One body at a time in each process: a heavy body would take others with it.
    one_each = {"PYNENC__MAX_THREADS": "1", "PYNENC__CONCURRENCY": "1"}
    runner = processes.runner(PYNENC__RUNNER_CLS=runner_cls, PYNENC__MAX_RECOVERIES="2", **sizes, **one_each)
    client = processes.python("-m", CLIENT, "client", str(count))
    wait_until(lambda: ledger.of_kind("run"), "ordinary work flows", 60)
    hostile = []
    for name, payload in planted:
        [(invocation_id, _)] = jobs.app._runtime.store.submit(_core.TaskSpec(name), [(payload, "", None, None)])
        ledger.write(kind="acked", id=invocation_id)
        hostile.append(invocation_id)
    assert client.wait(LONG - 30) == 0, client.output()
    for invocation_id in hostile:
        wait_until(lambda one=invocation_id: jobs.app._runtime.store.status(one) == "failed", "it fails", LONG - 30)  # type: ignore[misc]
    canary = jobs.basics.add(1, 1)
    ledger.write(kind="acked", id=canary.invocation_id)
    assert canary.get_result(timeout=60) == 2, "the fleet goes on"
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()
    what = (
        f"calls with 20,000 elements of one hash, and calls that hold the GIL while they are decoded, on {runner_cls}"
    )
    _faultless(jobs, ledger, f"E6 {runner_cls}", what, len(planted), seed)


@pytest.mark.timeout(LONG)
def test_hostile_monkey_patches_make_a_runner_refuse_and_leave_the_work_to_others(
    processes: Processes, jobs: Any, ledger: Ledger, seed: int, tmp_path: Path
) -> None:
    count = rounds(100, 1000, 5000)
    patches = {
        "gevent": "from gevent import monkey\nmonkey.patch_all()\n",
        "eventlet": "import eventlet\neventlet.monkey_patch()\n",
    }
    client = processes.python("-m", CLIENT, "client", str(count))
    starts = []
    for package, text in patches.items():
        name = f"patched_by_{package}"
        (tmp_path / f"{name}.py").write_text(text + "from support.jobs import app\n")
        for runner_cls in RUNNERS:
            runner = processes.runner(str(tmp_path / f"{name}.py"), PYNENC__RUNNER_CLS=runner_cls)
            starts.append((package, runner))
    for package, runner in starts:
        assert runner.wait() == 1
        assert f"{package} has patched" in runner.output()
    assert ledger.of_kind("run") == []
    good = processes.runner(PYNENC__RUNNER_CLS="ThreadRunner")
    assert client.wait(LONG - 30) == 0, client.output()
    good.send(signal.SIGTERM)
    assert good.wait() == 0
    what = (
        "start of a runner of each kind in a process patched by gevent or eventlet: refused, its work done by another"
    )
    _faultless(jobs, ledger, "E7", what, len(starts), seed)
