"""Worker processes that are started while the store is away."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import Processes, descendants, send_all
from support.servers import RedisServer, redis_server
from support.waiting import wait_until
from support.worlds import StoreKind, load_jobs, set_environment


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test's own, which the app of the test and its children use."""
    with redis_server() as own:
        set_environment(monkeypatch, tmp_path, StoreKind("redis", lambda folder: own.url, shared=True))
        yield own


@pytest.mark.parametrize("runner_cls", ["PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"])
def test_a_worker_that_cannot_open_the_store_is_no_reason_to_give_up(
    processes: Processes, server: RedisServer, monkeypatch: pytest.MonkeyPatch, runner_cls: str
) -> None:
    monkeypatch.setenv("PYNENC__STORE_TIMEOUT_SEC", "0.5")
    jobs = load_jobs()
    sizes = {f"PYNENC__{name}": "2" for name in ("NUM_PROCESSES", "MIN_PROCESSES", "MAX_PROCESSES", "PROCESSES")}
    runner = processes.started_runner(PYNENC__RUNNER_CLS=runner_cls, **sizes)
    assert jobs.basics.add(1, 1).get_result(timeout=60) == 2
    # The process that workers are forked from is the oldest child of the runner.
    zygote = min(descendants(runner.pid))
    server.kill()
    send_all(descendants(zygote), signal.SIGKILL)
    runner.await_output("cannot open the store")
    # Long enough for many more attempts than three.
    with pytest.raises(subprocess.TimeoutExpired):
        runner.process.wait(6.0)
    assert runner.output().count("cannot open the store") == 1, "said once"
    server.start()
    wait_until(lambda: "can open the store again" in runner.output(), "they are back")
    assert jobs.basics.add(1, 1).get_result(timeout=60) == 2
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()
