"""Measure a runner: throughput, overhead per task, wake-up latency, slots in use, memory."""

from __future__ import annotations

import importlib
import os
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pynenc._kernel.runtime import runtime_of

if TYPE_CHECKING:
    import pytest

    from pynenc.app import Pynenc
    from pynenc.runner.base_runner import BaseRunner

_TASKS_MODULE = "pynenc.testing._benchmark_tasks"
_RESULT_SEC = 120.0
_OCCUPY_SEC = 0.05
_PAUSE_SEC = 0.02


@dataclass(frozen=True)
class RunnerReport:
    """The figures of one runner on one store."""

    runner: str
    """The name of its class."""
    store: str
    """The kind of its store."""
    tasks_per_sec: float
    """No-op tasks per second, from the submit of all until the last result was read: median of the rounds."""
    overhead_us: float
    """CPU time per no-op task in microseconds, of this process and its children, the client's part included."""
    wake_up_ms: float
    """Milliseconds from a submit to the start of the body, with an idle runner: median."""
    slots_used: int
    """The most bodies that ran at the same time."""
    max_parallel_slots: int
    """The number of slots that the runner states."""
    memory_mb: float
    """Mebibytes of memory that the runner added to this process and its children."""

    def line(self) -> str:
        """Return the figures for people.

        Returns:
            One line of text.
        """
        return (
            f"{self.runner} on {self.store}: {self.tasks_per_sec:,.0f} tasks/s, {self.overhead_us:.0f} µs of CPU per "
            f"task, wake-up {self.wake_up_ms:.2f} ms, {self.slots_used} of {self.max_parallel_slots} slots used, "
            f"{self.memory_mb:.1f} MB"
        )


class RunnerBenchmark:
    """The fixture `runner_benchmark`. Call it once per test.

    Args:
        benchmark: the fixture of pytest-benchmark.
        monkeypatch: the fixture of pytest.
        store_url: returns the URL of a store for a kind.
        note: receives the report.
    """

    def __init__(
        self,
        benchmark: Any,
        monkeypatch: pytest.MonkeyPatch,
        store_url: Callable[[str], str],
        note: Callable[[RunnerReport], None],
    ) -> None:
        self._benchmark = benchmark
        self._monkeypatch = monkeypatch
        self._store_url = store_url
        self._note = note

    def __call__(
        self,
        runner_cls: Callable[[Pynenc], BaseRunner],
        store: str = "memory",
        *,
        tasks: int = 2_000,
        rounds: int = 5,
        wake_ups: int = 50,
        **settings: Any,
    ) -> RunnerReport:
        """Run `runner_cls(app)` on a fresh store and measure it. Blocks until all tasks have run.

        Args:
            runner_cls: the subclass of `BaseRunner`, or anything that makes a runner from an app.
            store: `"memory"`, `"sqlite"`, `"redis"`, or a URL. Memory is for runners that are `mem_compatible`.
            tasks: no-op tasks per round.
            rounds: the number of rounds; pytest-benchmark shows the time of a round.
            wake_ups: how often an idle runner is woken by a single task.
            **settings: assigned to the runner's `conf`, as `max_threads=4`.
        Returns:
            The report. It is also in the `extra_info` of the benchmark, and at the end of pytest's output.
        Raises:
            ValueError: a store in memory for a runner that runs bodies in other processes.
            InvocationTimeoutError: a result took longer than two minutes.
        """
        from pynenc.testing.plugin import running

        module = self._tasks(self._store_url(store))
        before = _memory_mb()
        runner = runner_cls(module.app)
        for name, value in settings.items():
            setattr(runner.conf, name, value)
        kind = str(runtime_of(module.app).store.kind)
        if kind == "memory" and not runner.mem_compatible():
            raise ValueError(f"{type(runner).__name__} runs bodies in other processes: give it a store that they share")
        with running(runner):
            assert module.noop(1).get_result(_RESULT_SEC) == 1
            rate, overhead = self._throughput(module, tasks, rounds)
            wake_up = _wake_up_ms(module, wake_ups)
            slots, used = _slots(module, runner)
            memory = _memory_mb() - before
        module.app.purge()
        report = RunnerReport(type(runner).__name__, kind, rate, overhead, wake_up, used, slots, max(0.0, memory))
        self._benchmark.extra_info.update(asdict(report))
        self._note(report)
        return report

    def _tasks(self, url: str) -> Any:
        """Return the module of tasks with its own app, which worker processes find through the environment."""
        self._monkeypatch.setenv("PYNENC__STORE_URL", url)
        self._monkeypatch.setenv("PYNENC__LOGGING_LEVEL", "warning")
        self._monkeypatch.setenv("PYNENC_BENCHMARK_APP", f"benchmark-{uuid.uuid4().hex[:12]}")
        sys.modules.pop(_TASKS_MODULE, None)
        return importlib.import_module(_TASKS_MODULE)

    def _throughput(self, module: Any, tasks: int, rounds: int) -> tuple[float, float]:
        """Tasks a second, and microseconds of CPU per task."""
        calls = [(number,) for number in range(tasks)]
        expected = list(range(tasks))

        def batch() -> None:
            assert module.noop.parallelize(calls).get_results(_RESULT_SEC) == expected

        taken: list[float] = []

        def timed() -> None:
            began = time.perf_counter()
            batch()
            taken.append(time.perf_counter() - began)

        batch()
        cpu = _cpu_sec()
        self._benchmark.pedantic(timed, rounds=rounds)
        spent = _cpu_sec() - cpu
        return tasks / statistics.median(taken), spent / (tasks * len(taken)) * 1e6


def _wake_up_ms(module: Any, count: int) -> float:
    """With a pause before each, so that the runner is idle."""
    taken: list[float] = []
    for _ in range(count):
        time.sleep(_PAUSE_SEC)
        began = time.time()
        taken.append(module.started().get_result(_RESULT_SEC) - began)
    return statistics.median(taken) * 1e3


def _slots(module: Any, runner: BaseRunner) -> tuple[int, int]:
    """Return the number of slots that the runner claims to have, and the number of bodies that ran at once."""
    slots = runner.max_parallel_slots
    spans = module.occupy.parallelize([(_OCCUPY_SEC,)] * (slots * 3)).get_results(_RESULT_SEC)
    return slots, most_at_once(spans)


def most_at_once(spans: Sequence[tuple[float, float]]) -> int:
    """Count how many spans overlap at the most. A span that begins when another ends does not overlap it.

    Args:
        spans: pairs of begin and end, in seconds.
    Returns:
        The number.
    """
    edges = sorted([(end, -1) for _, end in spans] + [(start, 1) for start, _ in spans])
    now = most = 0
    for _, change in edges:
        now += change
        most = max(most, now)
    return most


def _cpu_sec() -> float:
    """Return the CPU time of this process, of its children, and of its ended children."""
    times = os.times()
    # The system counts in hundredths of a second, in which a short round may find nothing; for oneself there is better.
    here = time.process_time() + times.children_user + times.children_system
    return here + sum(map(_cpu_of, _descendants()))


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return float(sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK"))


def _memory_mb() -> float:
    """Return the resident memory of this process and its children; 0 if the system does not report it."""
    total = 0
    for pid in (os.getpid(), *_descendants()):
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            continue
    return total / 2**20


def _descendants() -> list[int]:
    found = [os.getpid()]
    for pid in found:
        try:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                found.extend(map(int, (thread / "children").read_text().split()))
        except OSError:
            continue
    return found[1:]
