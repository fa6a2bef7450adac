"""The pytest plugin: its cost when it is unused, and the promises of its fixtures."""

from __future__ import annotations

import subprocess
import sys
import warnings
from importlib import metadata

import pytest

from pynenc import Pynenc
from pynenc.runner import ThreadRunner
from pynenc.testing.benchmark import RunnerBenchmark, RunnerReport, most_at_once
from pynenc.testing.plugin import running


def double(number: int) -> int:
    return number * 2


def test_pytest_finds_the_plugin_through_the_package() -> None:
    [found] = [entry for entry in metadata.entry_points(group="pytest11") if entry.name == "pynenc"]
    assert found.value == "pynenc.testing.plugin"


def test_loading_the_plugin_imports_nothing_of_the_engine() -> None:
    code = (
        "import sys, pynenc.testing.plugin; "
        "print([n for n in sys.modules if n.startswith(('pynenc.', 'msgspec', 'asyncio'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before = subprocess.run(
        [sys.executable, "-c", code.replace("pynenc.testing.plugin", "pytest")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    added = set(eval(done.stdout)) - set(eval(before.stdout))
    # The table of old module paths is a part of the package itself.
    compat = {"pynenc._compat", "pynenc._compat.paths"}
    assert added <= {"pynenc.util", "pynenc.util.search_path", "pynenc.testing", "pynenc.testing.plugin"} | compat


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
def test_an_app_of_each_store_runs_a_task(request: pytest.FixtureRequest, pynenc_runner, kind: str) -> None:
    app = request.getfixturevalue(f"pynenc_{kind}_app")
    task = app.task(double)
    pynenc_runner(app)
    assert app._runtime.store.kind == kind
    assert task(21).get_result(30.0) == 42


def test_a_runner_on_the_own_store_of_an_app_is_warned_of(sqlite_env: None, pynenc_runner, pynenc_test) -> None:
    app = Pynenc()
    with pytest.warns(
        UserWarning, match=r"own store of app .*store\.db: isolate the app first, with pynenc_test"
    ) as seen:
        pynenc_runner(app)
    assert seen[0].filename == __file__
    other = Pynenc("another", {"store_url": "sqlite:///another.db"})
    pynenc_test(other)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pynenc_runner(other)


def test_two_apps_of_one_test_do_not_see_each_other(pynenc_app) -> None:
    first, second = pynenc_app("redis"), pynenc_app("redis")
    first.task(double)(1)
    assert first.orchestrator.count_invocations() == 1
    assert second.orchestrator.count_invocations() == 0


def test_a_runner_gets_the_settings_it_is_started_with(pynenc_memory_app, pynenc_runner) -> None:
    runner = pynenc_runner(pynenc_memory_app, ThreadRunner, max_threads=3)
    assert runner.max_parallel_slots == 3
    assert runner.running


def test_an_exception_of_the_runner_is_raised_in_the_test(pynenc_memory_app) -> None:
    class BrokenRunner(ThreadRunner):
        def runner_loop_iteration(self) -> None:
            raise OSError("no more")

    runner = BrokenRunner(pynenc_memory_app)
    with pytest.raises(OSError, match="no more"), running(runner):
        runner.wait_until_stopped(30.0)


def test_a_runner_of_processes_is_not_measured_on_a_store_in_memory(monkeypatch, pynenc_store_url) -> None:
    class ElsewhereRunner(ThreadRunner):
        @staticmethod
        def mem_compatible() -> bool:
            return False

    with pytest.raises(ValueError, match="give it a store that they share"):
        RunnerBenchmark(None, monkeypatch, pynenc_store_url, lambda report: None)(ElsewhereRunner)


def test_spans_that_only_touch_do_not_count_as_at_once() -> None:
    assert most_at_once([(0.0, 1.0), (1.0, 2.0)]) == 1
    assert most_at_once([(0.0, 1.0), (0.5, 2.0), (0.9, 1.1), (3.0, 4.0)]) == 3
    assert most_at_once([]) == 0


def test_a_report_reads_as_one_line() -> None:
    report = RunnerReport("MyRunner", "sqlite", 1234.5, 80.4, 0.5, 3, 4, 1.25)
    assert report.line() == (
        "MyRunner on sqlite: 1,234 tasks/s, 80 µs of CPU per task, wake-up 0.50 ms, 3 of 4 slots used, 1.2 MB"
    )
