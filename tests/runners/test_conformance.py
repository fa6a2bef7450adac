"""The conformance suite: every built-in runner and the example pass it; broken runners fail the right check."""

from __future__ import annotations

import importlib.util
import inspect
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
    """Counts a waiting body like a running one."""

    def waiting_for_results(self, running_invocation, result_invocation, runner_args=None):  # type: ignore[no-untyped-def]
        threading.Event().wait(0.01)


class ChangesItsName(SevenMemberRunner):
    """Has another id at each read."""

    @property
    def runner_id(self) -> Any:
        self._reads = getattr(self, "_reads", 0) + 1
        return f"{super().runner_id}-{self._reads}"


class SkipsCoroutines(SevenMemberRunner):
    """Claims coroutine tasks, and forgets them."""

    def _run_one(self, invocation: Any) -> None:
        if not inspect.iscoroutinefunction(invocation.task.func):
            super()._run_one(invocation)


class GivesUpAtAFailure(SevenMemberRunner):
    """Does nothing any more once a body has failed."""

    _failed = False

    def _run_one(self, invocation: Any) -> None:
        if not self._failed:
            super()._run_one(invocation)
            self._failed = str(invocation.status) == "failed"


class SkipsRetries(SevenMemberRunner):
    """Runs a body the first time only."""

    def _run_one(self, invocation: Any) -> None:
        if not invocation.num_retries:
            super()._run_one(invocation)


class RunsNotesTwice(SevenMemberRunner):
    """Tries a function before it runs the invocation."""

    def _run_one(self, invocation: Any) -> None:
        if invocation.task.func.__name__ == "note":
            invocation.task.func(**invocation.arguments.kwargs)
        super()._run_one(invocation)


class NeverDrains(SevenMemberRunner):
    """Stops at once, whatever runs."""

    def _on_stop(self) -> None:
        """Nothing is waited for."""


class IgnoresCancellations(SevenMemberRunner):
    """Release every body."""

    def on_cancel(self, invocation_id: str) -> None:
        """Nothing is interrupted."""


class WorksOnce(SevenMemberRunner):
    """Claims nothing after it was started again."""

    _starts = 0

    def _on_start(self) -> None:
        super()._on_start()
        self._starts += 1

    def runner_loop_iteration(self) -> None:
        if self._starts == 1:
            super().runner_loop_iteration()
        else:
            threading.Event().wait(0.01)


class NeverStops(SevenMemberRunner):
    """Waits at the stop for something that does not come."""

    def _on_stop(self) -> None:
        threading.Event().wait(6)


class DiesInTheLoop(SevenMemberRunner):
    """Its loop raises after the stop was asked for."""

    def runner_loop_iteration(self) -> None:
        super().runner_loop_iteration()
        if not self.running:
            raise OSError("broken")


class LiesAboutMemory(SevenMemberRunner):
    """Says that bodies run elsewhere, and starts on any store."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        session: Any = self._session
        session.check_executable = lambda: None

    @staticmethod
    def mem_compatible() -> bool:
        return False


BROKEN: dict[Any, tuple[Any, str]] = {
    ChangesItsName: (runner_conformance.describes_itself, "runner_id is the same at each read"),
    SkipsCoroutines: (runner_conformance.returns_results, "add_slowly did not finish within 2 s; it is pending"),
    GivesUpAtAFailure: (runner_conformance.passes_failures_on, "(leave|add) did not finish within 2 s; it is pending"),
    SkipsRetries: (runner_conformance.runs_again_for_a_retry, "succeed_at did not finish within 2 s; it is pending"),
    RunsNotesTwice: (
        runner_conformance.runs_each_invocation_once,
        "each body runs once; these ran: .'note-0', 'note-0'",
    ),
    KeepsTheSlot: (
        runner_conformance.frees_the_slot_of_a_body_that_waits,
        "chain did not finish within 2 s; it is paused",
    ),
    NeverDrains: (runner_conformance.finishes_what_runs_at_a_stop, "after it this one is rerouted"),
    IgnoresCancellations: (runner_conformance.interrupts_a_body_that_is_cancelled, "it went on to its end"),
    WorksOnce: (runner_conformance.can_be_started_again, "add did not finish within 2 s; it is registered"),
    LiesAboutMemory: (runner_conformance.refuses_a_store_it_cannot_share, r"on_start\(\) must raise ConfigError"),
}
"""For each check a runner that breaks only its promise, with the message of the check."""


def test_every_check_has_a_broken_runner() -> None:
    assert {check for check, _ in BROKEN.values()} == set(CHECKS)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_runner_fails_the_check_of_what_it_breaks(broken: Any, tmp_path: Path) -> None:
    check, message = BROKEN[broken]
    with pytest.raises(AssertionError, match=message):
        run_check(check, broken, tmp_path, patience_sec=2)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_runner_passes_the_checks_of_what_it_keeps(broken: Any, tmp_path: Path) -> None:
    for number, check in enumerate(check for check in CHECKS if check is not BROKEN[broken][0]):
        folder = tmp_path / str(number)
        folder.mkdir()
        run_check(check, broken, folder)


@pytest.mark.parametrize(
    ("broken", "message"),
    [(NeverStops, r"run\(\) did not return within 2 s"), (DiesInTheLoop, r"run\(\) raised OSError\('broken'\)")],
)
def test_a_runner_that_does_not_end_in_order_fails_whatever_else_it_keeps(
    broken: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match=message):
        run_check(runner_conformance.returns_results, broken, tmp_path, patience_sec=2)
