"""Runner processes on the stores that processes share: costs at rest, memory, recovery, long queues, shards."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from benchkit.runners import DEADLINE_SEC, PARENT_CLAIMS, runner_process
from peers.protocol import cpu_seconds, process_tree, rss_mb
from support.processes import cpu_seconds as exact_cpu_seconds

WINDOW_SEC = 10.0
QUEUE_SIZES = (10_000, 1_000_000)
WINDOW_TASKS = 8_000
SHARD_TASKS = 10_000


def pytest_generate_tests(metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        only = ("redis",) if metafunc.function.__name__ in ("test_shards", "test_growth_drain") else ("sqlite", "redis")
        metafunc.parametrize("kind", only)


@pytest.fixture
def served(tasks):
    """The tasks, served by runner processes; `(tasks, the process that was started)`."""
    with runner_process() as child:
        assert tasks.echo(1).get_result(DEADLINE_SEC) == 1
        yield tasks, child


def test_idle_cpu(measured, served) -> None:
    """CPU of a runner with nothing to do, its workers included, in 10 s."""
    pids = process_tree(served[1].pid)

    def window() -> float:
        before = cpu_seconds(pids)
        time.sleep(WINDOW_SEC)
        return cpu_seconds(pids) - before

    time.sleep(1.0)
    measured.value(window, "s in 10 s")


def test_memory(measured, served) -> None:
    """Memory of the largest process of a runner after 2,000 tasks, above an interpreter that imports the app."""
    tasks, child = served
    tasks.echo.parallelize([(1,)] * 2_000).get_results(DEADLINE_SEC)
    code = "import bench_tasks, sys; print(open('/proc/self/statm').read().split()[1])"
    pages = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                           capture_output=True, text=True, check=True).stdout  # fmt: skip
    bare = int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20
    measured.value(lambda: max(map(rss_mb, process_tree(child.pid))) - bare, "MB")


def test_recovery(measured, tasks) -> None:
    """From a kill -9 of the whole runner to the result of what it was running, another runner being there."""
    with runner_process() as first:
        assert tasks.echo(1).get_result(DEADLINE_SEC) == 1
        running = tasks.nap(2.0)
        while str(running.status) != "running":
            time.sleep(0.01)
        with runner_process() as second:
            time.sleep(1.0)

            def killed() -> float:
                began = time.perf_counter()
                os.killpg(first.pid, signal.SIGKILL)
                assert running.get_result(DEADLINE_SEC) == 1
                return time.perf_counter() - began - 2.0

            measured.value(killed, "s")
            assert second.poll() is None


@pytest.mark.parametrize("queued", QUEUE_SIZES)
def test_growth_drain(measured, tasks, tmp_path: Path, queued: int) -> None:
    """Rate at which a runner takes the first 8,000 of a queue, by how long the queue is."""
    first, last = tmp_path / "first", tmp_path / "last"
    tasks.stamp.parallelize([(str(first),)] * 4)
    tasks.echo.parallelize([(1,)] * WINDOW_TASKS)
    marks = tasks.stamp.parallelize([(str(last),)] * 4)
    for _ in range((queued - WINDOW_TASKS) // 1_000):
        # The invocations of a long queue are not kept here.
        tasks.echo.parallelize([(1,)] * 1_000)

    def rate() -> float:
        marks.get_results(DEADLINE_SEC)
        began, ended = (min(map(float, first.read_text().split())), max(map(float, last.read_text().split())))
        return WINDOW_TASKS / (ended - began)

    with runner_process():
        measured.value(rate, "tasks/s")


@pytest.mark.parametrize("way", ["children claim", PARENT_CLAIMS])
def test_who_claims(measured, tasks, way: str) -> None:
    """Rate of no-ops on two worker processes, by who claims: each for itself, or their runner, which hands over."""
    with runner_process(way if way == PARENT_CLAIMS else ""):
        tasks.echo.parallelize([(1,)] * 500).get_results(DEADLINE_SEC)
        measured.rate(lambda: tasks.echo.parallelize([(1,)] * 4_000).get_results(DEADLINE_SEC), 4_000)


@pytest.mark.parametrize("shards", [1, 4])
def test_shards(measured, tasks, server, monkeypatch: pytest.MonkeyPatch, shards: int) -> None:
    """CPU of the server per task, by the number of shards; median of five rounds."""
    monkeypatch.setenv("PYNENC__SHARDS", str(shards))
    tasks.app.conf.shards = shards
    with runner_process():
        tasks.echo.parallelize([(1,)] * 1_000).get_results(DEADLINE_SEC)

        def per_task() -> float:
            before = exact_cpu_seconds(server.pid)
            tasks.echo.parallelize([(1,)] * SHARD_TASKS).get_results(DEADLINE_SEC)
            return (exact_cpu_seconds(server.pid) - before) / SHARD_TASKS * 1e6

        measured.value(lambda: statistics.median(per_task() for _ in range(5)), "us")
