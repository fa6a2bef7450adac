"""The seed's runner interface: one test for each of its seventeen points, from the view of a user's runner."""

from __future__ import annotations

import inspect
import logging
import os
import signal
import socket
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from support.ledger import Ledger
from support.processes import Processes
from support.seed_runners import RecordingRunner, SevenMemberRunner, run_what_is_there
from support.waiting import wait_until
from support.worlds import load_jobs

from pynenc import Pynenc
from pynenc.conf.config_runner import ConfigRunner
from pynenc.exceptions import RunnerNotExecutableError
from pynenc.invocation import DistributedInvocation
from pynenc.runner.base_runner import BaseRunner, DummyRunner

SEVEN = [
    "mem_compatible",
    "max_parallel_slots",
    "_on_start",
    "_on_stop",
    "runner_loop_iteration",
    "_on_stop_runner_loop",
    "waiting_for_results",
]


@pytest.fixture
def app(memory_env: None) -> Pynenc:
    return Pynenc()


def _run_in_thread(runner: BaseRunner) -> threading.Thread:
    thread = threading.Thread(target=runner.run, daemon=True)
    thread.start()
    return thread


def _join(thread: threading.Thread) -> None:
    thread.join(30)
    assert not thread.is_alive()


def test_01_a_subclass_takes_the_app_and_becomes_its_runner_and_needs_all_seven_members(app: Pynenc) -> None:
    runner = RecordingRunner(app)
    assert app.runner is runner
    assert runner.app is app
    assert BaseRunner.__abstractmethods__ == frozenset(SEVEN)
    members = {name: RecordingRunner.__dict__[name] for name in SEVEN}
    complete = type("Complete", (BaseRunner,), dict(members))
    assert isinstance(complete(app), BaseRunner)
    for omitted in SEVEN:
        incomplete = type("Incomplete", (BaseRunner,), {k: v for k, v in members.items() if k != omitted})
        with pytest.raises(TypeError, match=omitted):
            incomplete(app)


def test_02_signatures_are_those_of_the_seed() -> None:
    for cls in (BaseRunner, DummyRunner):
        waiting = inspect.signature(cls.waiting_for_results)
        assert list(waiting.parameters) == ["self", "running_invocation", "result_invocation", "runner_args"]
        assert waiting.parameters["runner_args"].default is None
        stop = inspect.signature(cls.stop_runner_loop)
        assert list(stop.parameters) == ["self", "signum", "frame"]
        assert stop.parameters["signum"].default is None
        assert stop.parameters["frame"].default is None
        assert list(inspect.signature(cls.__init__).parameters) == ["self", "app"]


def test_03_mem_compatible_is_static(app: Pynenc) -> None:
    assert isinstance(inspect.getattr_static(BaseRunner, "mem_compatible"), staticmethod)
    assert RecordingRunner.mem_compatible() is True
    assert RecordingRunner(app).mem_compatible() is True


def test_04_runner_id_and_conf_are_stable_attributes_that_may_also_be_called(app: Pynenc) -> None:
    runner = RecordingRunner(app)
    assert isinstance(runner.runner_id, str)
    assert runner.runner_id == runner.runner_id == runner.runner_id()
    for part in ("RecordingRunner", socket.gethostname(), str(os.getpid())):
        assert part in runner.runner_id
    assert isinstance(runner.conf, ConfigRunner)
    assert runner.conf is runner.conf
    assert runner.conf() is runner.conf


def test_05_in_the_main_thread_signals_are_bound_while_it_runs_and_hooks_come_in_order(app: Pynenc) -> None:
    runner = RecordingRunner(app)
    handlers: list[Any] = []

    def look(runner: RecordingRunner) -> None:
        handlers.extend(signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM))
        runner.stop_runner_loop()

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    runner.on_iteration = look
    runner.run()
    assert handlers == [runner.stop_runner_loop, runner.stop_runner_loop]
    assert runner.calls == ["_on_start", "runner_loop_iteration", "_on_stop_runner_loop", "_on_stop"]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_06_in_another_thread_it_warns_once_and_can_be_stopped_from_outside(
    app: Pynenc, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = RecordingRunner(app)
    iterated = threading.Event()
    runner.on_iteration = lambda runner: iterated.set()
    taken: list[Any] = []
    monkeypatch.setattr(signal, "signal", lambda *arguments: taken.append(arguments))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        thread = _run_in_thread(runner)
        assert iterated.wait(30)
        runner.stop_runner_loop()
        _join(thread)
    assert [warning.category for warning in caught if warning.category is UserWarning] == [UserWarning]
    assert taken == []
    assert runner.calls[0] == "_on_start"
    assert runner.calls[-1] == "_on_stop"


def test_07_sigterm_to_the_process_ends_the_loop_and_the_exit_code_is_zero(
    sqlite_env: None, processes: Processes
) -> None:
    child = processes.python("-m", "support.programs.seed_loop")
    child.await_output("iterating")
    child.send(signal.SIGTERM)
    assert child.wait() == 0
    lines = [line for line in child.output().splitlines() if line.startswith("event:")]
    assert lines == [
        "event: _on_start",
        "event: stop_runner_loop 15 frame",
        "event: _on_stop_runner_loop",
        "event: stop_runner_loop returned",
        "event: _on_stop",
        "event: run returned",
    ]


def test_08_an_iteration_that_raises_stops_the_runner(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = RecordingRunner(app)
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    app.logger.addHandler(handler)

    def interrupt(runner: RecordingRunner) -> None:
        raise KeyboardInterrupt

    runner.on_iteration = interrupt
    runner.run()
    assert runner.calls[-1] == "_on_stop"
    assert any(record.levelno == logging.WARNING for record in records)

    failure = ValueError("the user's own")

    def fail(runner: RecordingRunner) -> None:
        raise failure

    records.clear()
    runner.calls.clear()
    runner.on_iteration = fail
    with pytest.raises(ValueError, match="the user's own") as raised:
        runner.run()
    app.logger.removeHandler(handler)
    assert raised.value is failure
    assert runner.calls[-1] == "_on_stop"
    assert any("Exception in runner loop" in record.getMessage() for record in records)


def test_09_on_start_that_raises_propagates_without_on_stop(app: Pynenc) -> None:
    runner = RecordingRunner(app)
    failure = OSError("no threads today")

    def fail() -> None:
        raise failure

    runner.on_starting = fail
    with pytest.raises(OSError, match="no threads today") as raised:
        runner.run()
    assert raised.value is failure
    assert runner.calls == ["_on_start"]


def test_10_running_is_true_only_while_it_runs(app: Pynenc) -> None:
    runner = RecordingRunner(app)
    seen: list[bool] = []

    def look(runner: RecordingRunner) -> None:
        seen.append(runner.running)
        runner.stop_runner_loop()

    runner.on_iteration = look
    assert runner.running is False
    runner.run()
    assert seen == [True]
    assert runner.running is False


def test_11_the_same_object_can_run_twice(app: Pynenc) -> None:
    runner = RecordingRunner(app)
    runner.run()
    first = list(runner.calls)
    runner.run()
    assert runner.calls == first * 2


def test_12_dummy_runner_refuses_to_run_and_its_wait_lasts_as_configured(app: Pynenc) -> None:
    runner = DummyRunner(app)
    for call in (
        runner.mem_compatible,
        runner._on_start,
        runner._on_stop,
        runner._on_stop_runner_loop,
        runner.runner_loop_iteration,
        lambda: runner.max_parallel_slots,
        runner.run,
        runner.on_start,
        runner.on_stop,
        runner.stop_runner_loop,
    ):
        with pytest.raises(RunnerNotExecutableError):
            call()

    def span_of_wait(setting: float) -> float:
        runner.conf.invocation_wait_results_sleep_time_sec = setting
        began = time.monotonic()
        assert runner.waiting_for_results(None, None) is None  # type: ignore[arg-type]
        return time.monotonic() - began

    assert span_of_wait(0.5) - span_of_wait(0.05) > 0.25


def test_13_a_client_gets_the_result_of_another_process_through_waiting_for_results_alone(
    sqlite_env: None, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = load_jobs()
    called: set[str] = set()

    class Spy(DummyRunner):
        def waiting_for_results(self, running_invocation, result_invocation, runner_args=None):  # type: ignore[no-untyped-def]
            called.add("waiting_for_results")
            return super().waiting_for_results(running_invocation, result_invocation, runner_args)

    for name in (
        "_on_start",
        "_on_stop",
        "_on_stop_runner_loop",
        "runner_loop_iteration",
        "run",
        "on_start",
        "on_stop",
    ):
        monkeypatch.setattr(Spy, name, lambda *_, name=name: called.add(name), raising=False)
    assert isinstance(jobs.app.runner, DummyRunner)
    Spy(jobs.app)
    invocation = jobs.basics.add(20, 22)
    processes.runner()
    assert invocation.result == 42
    assert called == {"waiting_for_results"}


def test_14_waiting_for_results_gets_invocations_positionally_inside_and_outside_a_task(sqlite_env: None) -> None:
    jobs = load_jobs()
    runner = RecordingRunner(jobs.app)
    runner_args = {"mine": 1}
    runner.on_iteration = lambda runner: run_what_is_there(runner, runner_args)
    thread = _run_in_thread(runner)
    try:
        outer = jobs.waits.sum_of_group([1, 2, 3])
        assert outer.result == 6
    finally:
        runner.stop_runner_loop()
        _join(thread)
    assert all(kwargs == {} and len(args) in (2, 3) for args, kwargs in runner.waits)
    inside = [args for args, _ in runner.waits if args[0] is not None]
    outside = [args for args, _ in runner.waits if args[0] is None]
    assert inside
    assert outside
    for running, targets, given in inside:
        assert isinstance(running, DistributedInvocation)
        assert running.invocation_id == outer.invocation_id
        assert isinstance(targets, list)
        assert all(isinstance(target, DistributedInvocation) for target in targets)
        assert given == runner_args
    assert max(len(args[1]) for args in inside) == 3
    for args in outside:
        assert [target.invocation_id for target in args[1]] == [outer.invocation_id]


def test_15_a_waiting_for_results_that_returns_at_once_still_yields_correct_results(sqlite_env: None) -> None:
    jobs = load_jobs()
    runner = RecordingRunner(jobs.app)
    runner.on_iteration = lambda runner: run_what_is_there(runner)
    thread = _run_in_thread(runner)
    try:
        assert jobs.waits.fib(7).result == 13
        assert sorted(jobs.basics.add.parallelize([(n, n) for n in range(10)]).results) == [2 * n for n in range(10)]
    finally:
        runner.stop_runner_loop()
        _join(thread)


def test_16_runner_cls_selects_an_imported_subclass_by_name_also_after_a_dummy_was_handed_out(app: Pynenc) -> None:
    assert type(app.runner) is DummyRunner
    app.conf.runner_cls = "SevenMemberRunner"
    assert type(app.runner) is SevenMemberRunner
    assert app.runner is app.runner


def test_17_the_names_are_importable_from_their_documented_places() -> None:
    import pynenc.runner
    import pynenc.runner.base_runner
    from pynenc.conf.config_runner import ConfigThreadRunner

    assert pynenc.runner.BaseRunner is pynenc.runner.base_runner.BaseRunner
    assert pynenc.runner.DummyRunner is pynenc.runner.base_runner.DummyRunner
    assert issubclass(pynenc.runner.ThreadRunner, BaseRunner)
    assert issubclass(ConfigThreadRunner, ConfigRunner)
    assert {"BaseRunner", "DummyRunner", "ThreadRunner"} <= set(pynenc.runner.__all__)


def test_a_users_own_runner_needs_nothing_but_the_seven_members(sqlite_env: None, tmp_path: Path) -> None:
    """Work is taken with `get_invocations_to_run` and run with `invocation.run`; the rest happens underneath."""
    jobs = load_jobs()
    runner = SevenMemberRunner(jobs.app)
    thread = _run_in_thread(runner)
    try:
        assert set(jobs.basics.note.parallelize([(f"tag-{n}",) for n in range(20)]).results) == {
            f"tag-{n}" for n in range(20)
        }
    finally:
        runner.stop_runner_loop()
        _join(thread)
    events = Ledger.of_environment().of_kind("run")
    assert len(events) == 20
    wait_until(lambda: jobs.app.orchestrator.count_invocations(statuses=["success"]) == 20)
