"""The guide to benchmarking a runner is true: its files run in a separate folder, with the installed package."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guides" / "benchmark-your-runner.md"
FILE = re.compile(r"```python\n# (?P<name>\w+\.py)\n(?P<text>.*?)```", re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the guide, far from the repository."""
    for found in FILE.finditer(GUIDE.read_text()):
        (tmp_path / found["name"]).write_text(found["text"])
    return tmp_path


def run_pytest(folder: Path, *options: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run pytest there, with nothing of this repository on the path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYNENC"))}
    command = [sys.executable, "-m", "pytest", *options]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=timeout
    )


def test_pytest_benchmark_runs_the_example_of_the_guide_with_the_installed_package(folder: Path) -> None:
    done = run_pytest(folder, "--benchmark-only", "--benchmark-json=report.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PoolRunner on sqlite" in done.stdout
    rows = [row["extra_info"] for row in json.loads((folder / "report.json").read_text())["benchmarks"]]
    assert {(row["runner"], row["store"]) for row in rows} == {
        ("PoolRunner", "memory"), ("PoolRunner", "sqlite"), ("ThreadRunner", "memory")
    }  # fmt: skip
    for row in rows:
        assert row["tasks_per_sec"] > 0
        assert row["overhead_us"] > 0
        assert row["wake_up_ms"] > 0
        assert row["slots_used"] == row["max_parallel_slots"] == 4


def test_the_fixtures_of_the_guide_work_without_benchmarks(folder: Path) -> None:
    done = run_pytest(folder, "-k", "fixture", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_runner_of_the_guide_conforms_and_pytest_ends(folder: Path) -> None:
    done = run_pytest(folder, "test_conformance.py", "-q", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 passed" in done.stdout


def test_pytest_ends_though_bodies_of_a_runner_that_does_not_conform_wait_for_ever(folder: Path) -> None:
    (folder / "test_broken.py").write_text(textwrap.dedent(BROKEN))
    done = run_pytest(folder, "test_broken.py", "-q", timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "did not finish within 1 s" in done.stdout


BROKEN = """
    from concurrent.futures import ThreadPoolExecutor

    from my_runner import PoolRunner
    from pynenc.testing import runner_conformance


    class Broken(PoolRunner):
        def _on_start(self):
            super()._on_start()
            self.pool = ThreadPoolExecutor(self.max_parallel_slots)

        def runner_loop_iteration(self):
            for invocation in self.app.orchestrator.get_invocations_to_run(1, wait=0.1):
                self.pool.submit(invocation.run)

        def _on_stop(self):
            self.pool.shutdown(wait=False)


    def test_broken(tmp_path):
        check = runner_conformance.frees_the_slot_of_a_body_that_waits
        runner_conformance.run_check(check, Broken, tmp_path, patience_sec=1)
"""
