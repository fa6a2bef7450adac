"""`make test` runs the suite in two halves: both are counted, and neither leaves a server behind."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import Processes
from support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
CARGO = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured\n"
SUITE = """
import pytest

def test_one():
    pass

@pytest.mark.alone
def test_two():
    pass
"""
SERVER = """
import os, signal, sys
from pathlib import Path
from support.servers import RedisServer
print(RedisServer(Path(sys.argv[1])).pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def _report(folder: Path, half: str, tests: int, failures: int = 0, skipped: int = 0) -> None:
    numbers = f'tests="{tests}" failures="{failures}" errors="0" skipped="{skipped}"'
    (folder / f"pytest-{half}.xml").write_text(f"<testsuites><testsuite {numbers} /></testsuites>")


def _counts(folder: Path, ci: str = "1") -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "test_counts.py"), str(folder)],
        capture_output=True,
        text=True,
        env={"PYNENC_CI": ci},
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """The reports of a run in which everything passed."""
    (tmp_path / "cargo.txt").write_text(CARGO)
    _report(tmp_path, "beside", 40)
    _report(tmp_path, "alone", 2)
    return tmp_path


def test_the_tests_of_both_halves_are_counted(reports: Path) -> None:
    code, output = _counts(reports)
    assert code == 0, output
    assert "pytest  42 passed, 0 failed, 0 not run" in output
    assert "total   45 passed" in output


@pytest.mark.parametrize("half", ["beside", "alone"])
def test_a_failure_or_a_skipped_test_of_either_half_fails_the_run(reports: Path, half: str) -> None:
    _report(reports, half, 5, failures=1)
    assert _counts(reports)[0] == 1
    _report(reports, half, 5, skipped=1)
    assert _counts(reports)[0] == 1
    assert _counts(reports, ci="")[0] == 0, "elsewhere something may be missing"


@pytest.mark.parametrize("half", ["beside", "alone"])
def test_a_half_without_a_report_fails_the_run(reports: Path, half: str) -> None:
    (reports / f"pytest-{half}.xml").unlink()
    assert _counts(reports)[0] != 0


def _suite(folder: Path, *arguments: str, workers: int = 0) -> tuple[int, str]:
    """A suite of two tests, run as `make test` does."""
    (folder / "test_pair.py").write_text(SUITE)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    alone: by itself\n")
    (folder / "conftest.py").write_text((ROOT / "conftest.py").read_text())
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "suite.py"), str(folder), "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYNENC_TEST_WORKERS": str(workers)},
    )
    return done.returncode, done.stdout + done.stderr


def test_each_test_runs_in_one_half(tmp_path: Path) -> None:
    code, output = _suite(tmp_path, workers=2)
    assert code == 0, output
    assert "test_one" in (tmp_path / "pytest-beside.xml").read_text()
    assert "test_two" not in (tmp_path / "pytest-beside.xml").read_text()
    assert "test_two" in (tmp_path / "pytest-alone.xml").read_text()
    assert "test_one" not in (tmp_path / "pytest-alone.xml").read_text()


def test_a_choice_of_tests_may_leave_a_half_empty(tmp_path: Path) -> None:
    code, output = _suite(tmp_path, "-k", "one")
    assert code == 0, output


def test_a_failure_in_the_first_half_is_not_forgotten(tmp_path: Path) -> None:
    (tmp_path / "test_wrong.py").write_text("def test_wrong():\n    assert False\n")
    code, output = _suite(tmp_path)
    assert code == 1, output
    assert "test_two" in (tmp_path / "pytest-alone.xml").read_text()


@pytest.mark.parametrize(
    ("codes", "expected"), [([0, 0], 0), ([5, 0], 0), ([0, 5], 0), ([5, 5], 5), ([5, 1], 1), ([1, 0], 1), ([0, 2], 2)]
)
def test_nothing_selected_is_a_verdict_only_where_neither_half_had_a_test(codes: list[int], expected: int) -> None:
    spec = importlib.util.spec_from_file_location("suite", ROOT / "scripts" / "suite.py")
    assert spec is not None
    assert spec.loader is not None
    suite = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(suite)
    assert suite.verdict(codes) == expected


def test_a_redis_server_ends_with_the_process_that_started_it(processes: Processes, tmp_path: Path) -> None:
    """Count a killed worker too, such as one that crashed."""
    child = processes.python("-c", SERVER, str(tmp_path))
    assert child.wait() == -9, child.output()
    server = Path(f"/proc/{int(child.output())}")

    def ended() -> bool:
        # A process that inherits it may leave it a zombie.
        return not server.exists() or "\nState:\tZ" in (server / "status").read_text()

    wait_until(ended, "the server has ended")
