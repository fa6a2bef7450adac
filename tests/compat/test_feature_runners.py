"""Documented features of pynenc, one small test each: runners, the command line."""

from __future__ import annotations

import importlib
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from support.processes import Processes
from support.waiting import wait_until

from pynenc import Pynenc
from pynenc.cli.main import main
from pynenc.exceptions import RunnerNotExecutableError
from pynenc.invocation import InvocationStatus
from pynenc.runner import BaseRunner, DummyRunner, ExternalRunner, ThreadRunner

TASKS = """\
from pynenc import Pynenc

app = Pynenc(app_id="depot", config_values={"store_url": "sqlite:///depot.db"})


@app.task
def stamp(number: int) -> int:
    return number + 1


@app.task
def stamp_all(count: int) -> int:
    return sum(stamp.parallelize([(number,) for number in range(count)]).results)


@app.task
async def carry(number: int) -> int:
    return number * 2
"""

OWN_CLASSES = """\
import json

from pynenc import Pynenc
from pynenc.serializer import BaseSerializer


class CountingSerializer(BaseSerializer):
    def __init__(self):
        self.written = 0

    def serialize(self, obj):
        self.written += 1
        return json.dumps([self.written, obj])

    def deserialize(self, serialized_obj):
        return json.loads(serialized_obj)[1]


class RegionApp(Pynenc):
    def __init__(self, region, *, file):
        self.region = region
        super().__init__(f"depot-{region}", {"store_url": f"sqlite:///{file}", "serializer_cls": "CountingSerializer"})


app = RegionApp("eu", file="depot.db")


@app.task
def where(number):
    return [app.region, number]
"""

app = Pynenc("feature-runners", {"store_url": "memory://"})


@app.task
def stamp(number: int) -> int:
    return number + 1


@app.task
def stamp_twice(number: int) -> int:
    return stamp(stamp(number).result).result


class OneByOneRunner(BaseRunner):
    """A runner in a user's style: it runs one body after the other on the thread of the loop."""

    @staticmethod
    def mem_compatible() -> bool:
        return True

    @property
    def max_parallel_slots(self) -> int:
        return 1

    def _on_start(self) -> None:
        self.ran: list[str] = []

    def _on_stop(self) -> None:
        self.ran.append("stopped")

    def _on_stop_runner_loop(self) -> None:
        """The loop checks `running`."""

    def runner_loop_iteration(self) -> None:
        for invocation in self.app.orchestrator.get_invocations_to_run(1):
            self.ran.append(str(invocation.invocation_id))
            invocation.run()
        time.sleep(0.01)

    def waiting_for_results(
        self, running_invocation: Any, result_invocation: Any, runner_args: dict[str, Any] | None = None
    ) -> None:
        if running_invocation is None:
            time.sleep(0.01)
            return
        # The waiting body occupies the thread of the loop, so the awaited invocation runs here.
        self.runner_loop_iteration()


def _in_a_thread(runner: BaseRunner) -> threading.Thread:
    def run() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            runner.run()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert runner.wait_until_started(30)
    return thread


@pytest.mark.parametrize("cls", [ThreadRunner, OneByOneRunner])
def test_a_runner_on_a_thread_serves_the_process(cls: type[BaseRunner]) -> None:
    runner = cls(app)
    assert app.runner is runner
    assert not runner.running
    thread = _in_a_thread(runner)
    try:
        assert runner.running
        assert stamp(1).result == 2
        assert stamp_twice(1).result == 3
        assert sorted(stamp.parallelize([(1,), (2,)]).results) == [2, 3]
    finally:
        runner.stop_runner_loop()
        thread.join(30)
    assert not runner.running
    assert runner.wait_until_stopped(30)
    assert not thread.is_alive()
    if isinstance(runner, OneByOneRunner):
        assert runner.ran[-1] == "stopped"


def test_the_same_runner_runs_again() -> None:
    runner = ThreadRunner(app)
    for _ in range(2):
        thread = _in_a_thread(runner)
        assert stamp(1).result == 2
        runner.stop_runner_loop()
        thread.join(30)
        assert runner.wait_until_stopped(30)


def test_a_runner_is_chosen_by_name_while_another_thread_waits() -> None:
    client = Pynenc("feature-runner-by-name", {"store_url": "memory://"})
    task = client.task(stamp.func)
    results: list[int] = []
    waiting = threading.Thread(target=lambda: results.append(task(1).result), daemon=True)
    assert isinstance(client.runner, DummyRunner)
    waiting.start()
    client.conf.runner_cls = "ThreadRunner"
    thread = _in_a_thread(client.runner)
    waiting.join(30)
    client.runner.stop_runner_loop()
    thread.join(30)
    assert results == [2]


@pytest.mark.parametrize("cls", [DummyRunner, ExternalRunner])
def test_a_client_runs_nothing(cls: type[BaseRunner]) -> None:
    runner = cls(app)
    with pytest.raises(RunnerNotExecutableError):
        runner.run()
    assert runner.waiting_for_results(None, []) is None  # type: ignore[func-returns-value]


def test_a_runner_publishes_its_identity() -> None:
    runner = ThreadRunner(app)
    assert runner.runner_id == runner.runner_id()
    assert type(runner).__name__ in runner.runner_id
    assert runner.conf is runner.conf()
    assert runner.max_parallel_slots >= 1
    assert runner.mem_compatible()
    assert runner.get_active_child_runner_ids() == []


# -- processes and the command line --------------------------------------------------------------------------------


@pytest.fixture
def depot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "depot.py").write_text(TASKS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "depot", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    "runner", ["ThreadRunner", "ProcessRunner", "MultiThreadRunner", "PersistentProcessRunner", "AsyncRunner"]
)
def test_a_runner_of_the_command_line_serves_other_processes(processes: Processes, depot: Path, runner: str) -> None:
    tasks: Any = importlib.import_module("depot")
    started = processes.python("-m", "pynenc", "--app", "depot", "runner", "start", "--runner", runner)
    if runner != "AsyncRunner":
        assert tasks.stamp_all(3).get_result(60) == 6
    assert tasks.carry(4).get_result(60) == 8
    wait_until(lambda: tasks.app.orchestrator.count_invocations(statuses="running") == 0, "nothing runs")
    started.send(signal.SIGTERM)
    assert started.wait() == 0, started.output()
    assert "Starting runner for app: depot" in started.output()


def test_an_app_and_a_serializer_of_ones_own_work_in_worker_processes(processes: Processes, depot: Path) -> None:
    (depot / "depot.py").write_text(OWN_CLASSES)
    tasks: Any = importlib.import_module("depot")
    started = processes.python(
        "-m", "pynenc", "--app", "depot", "runner", "start", "--runner", "PersistentProcessRunner"
    )
    assert tasks.where.parallelize([(1,), (2,)]).get_results(60) == [["eu", 1], ["eu", 2]]
    started.send(signal.SIGTERM)
    assert started.wait() == 0, started.output()


@pytest.mark.parametrize("spec", ["depot", "depot.app", "depot:app", "depot.py", "./depot.py:app"])
def test_an_app_is_named_in_several_ways(depot: Path, capsys: Any, spec: str) -> None:
    assert main(["--app", spec, "show_config"]) == 0
    shown = capsys.readouterr().out
    assert "App id: depot" in shown
    assert "store_url = 'sqlite:///depot.db'" in shown or "depot.db" in shown


def test_the_settings_of_the_runner_are_shown(depot: Path, capsys: Any) -> None:
    assert main(["--app", "depot", "runner", "show_config"]) == 0
    assert "ConfigThreadRunner:" in capsys.readouterr().out


def test_the_only_app_of_the_folder_is_found(depot: Path, capsys: Any) -> None:
    assert main(["show_config"]) == 0
    assert "App id: depot" in capsys.readouterr().out


def test_the_state_machine_is_drawn(capsys: Any) -> None:
    assert main(["status", "render", "--format", "text"]) == 0
    shown = capsys.readouterr().out
    assert all(status.value in shown for status in InvocationStatus)
