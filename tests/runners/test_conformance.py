"""The conformance suite: every built-in runner and the example pass it, broken ones fail the right check."""

from __future__ import annotations

import importlib.util
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from support.seed_runners import SevenMemberRunner

from pynenc.runner import AsyncRunner, MultiThreadRunner, PersistentProcessRunner, ProcessRunner, ThreadRunner
from pynenc.testing import runner_conformance
from pynenc.testing.runner_conformance import CHECKS, run_check

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "custom_runner" / "subprocess_runner.py"


def _example(app: Any) -> Any:
    name = "subprocess_runner"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, EXAMPLE)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name].SubprocessRunner(app)


def _small(cls: Any) -> Any:
    def make(app: Any) -> Any:
        runner = cls(app)
        for name in ("max_threads", "num_processes", "max_processes", "processes", "concurrency"):
            if hasattr(runner.conf, name):
                setattr(runner.conf, name, 1)
        return runner

    return make


RUNNERS = {
    **{cls.__name__: _small(cls) for cls in (ThreadRunner, ProcessRunner, PersistentProcessRunner, MultiThreadRunner)},
    "AsyncRunner": _small(AsyncRunner),
    "example": _example,
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", RUNNERS)
def test_a_runner_conforms(name: str, check: Any, tmp_path: Path) -> None:
    run_check(check, RUNNERS[name], tmp_path, patience_sec=60)


def test_the_example_is_short_and_complete() -> None:
    code = [line for line in EXAMPLE.read_text().splitlines() if line.strip()]
    start = next(n for n, line in enumerate(code) if line.startswith("class "))
    end = next(n for n, line in enumerate(code) if line.startswith("if __name__"))
    assert end - start < 60


class KeepsTheSlot(SevenMemberRunner):
    """Counts a body that waits like one that runs."""

    def waiting_for_results(self, running_invocation, result_invocation, runner_args=None):  # type: ignore[no-untyped-def]
        threading.Event().wait(0.01)


class NeverStops(SevenMemberRunner):
    """Waits at the stop for something that does not come."""

    def _on_stop(self) -> None:
        threading.Event().wait(6)


class RunsNothing(SevenMemberRunner):
    """Claims, and forgets."""

    def _run_one(self, invocation: Any) -> None:
        return


class LiesAboutMemory(SevenMemberRunner):
    """Says that bodies run elsewhere, and starts on any store."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)

    @staticmethod
    def mem_compatible() -> bool:
        return False

    def _check_executable(self) -> None:
        return


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (KeepsTheSlot, runner_conformance.frees_the_slot_of_a_body_that_waits),
        (NeverStops, runner_conformance.can_be_started_again),
        (RunsNothing, runner_conformance.returns_results),
        (LiesAboutMemory, runner_conformance.refuses_a_store_it_cannot_share),
    ],
)
def test_a_broken_runner_fails_the_check_of_what_it_breaks(broken: Any, check: Any, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        run_check(check, broken, tmp_path, patience_sec=3)


def test_a_broken_runner_passes_the_checks_of_what_it_keeps(tmp_path: Path) -> None:
    run_check(runner_conformance.returns_results, KeepsTheSlot, tmp_path)
