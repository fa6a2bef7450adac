"""`python -m pynenc`: exit codes, output on stdout and stderr, and stopping."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.processes import Processes, child_environment

APP = """\
import os
from pynenc import Pynenc
from pynenc.runner import ThreadRunner

class OwnRunner(ThreadRunner):
    pass

app = Pynenc()

@app.task
def add(x: int, y: int) -> int:
    return x + y
"""


# Not by `signal.pause`: a signal that comes just before it is not noticed in it.
FOR_EVER = """\
import time

def wait():
    print("importing", flush=True)
    while True:
        time.sleep(0.01)

"""


@pytest.fixture(autouse=True)
def shop(sqlite_env: None) -> None:
    """A module with an app, in the working directory."""
    Path("shop.py").write_text(APP)


def _pynenc(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pynenc", *arguments],
        env=child_environment(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# -- usage -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["--help"], ["runner", "--help"], ["runner", "start", "--help"], ["show_config", "--help"]], ids=str
)
def test_help_goes_to_stdout(arguments: list[str]) -> None:
    done = _pynenc(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: pynenc" in done.stdout


def test_the_help_names_the_exit_codes() -> None:
    assert "exit codes: 0" in _pynenc("--help").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["runner"],
        ["no-such-command"],
        ["runner", "start", "--threads", "0"],
        ["runner", "start", "--threads", "two"],
        ["runner", "start", "--queues", "a,,b"],
    ],
    ids=str,
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    done = _pynenc("--app", "shop", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: pynenc" in done.stderr


def test_an_error_is_one_line_on_stderr_and_has_its_traceback_with_verbose() -> None:
    done = _pynenc("--app", "no_such_module", "show_config")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("pynenc: error: --app no_such_module")
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" in _pynenc("-v", "--app", "no_such_module", "show_config").stderr


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "pynenc", "--app", "shop", "show_config"],
            env=child_environment(),
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")


# -- show_config -------------------------------------------------------------------------------------------------------


def test_show_config_tells_where_the_app_is_and_where_each_value_is_from() -> None:
    done = _pynenc("--app", "shop", "show_config", environment={"PYNENC__LEASE_SEC": "7.5"})
    assert (done.returncode, done.stderr) == (0, "")
    assert f"App location: shop:app ({Path('shop.py').absolute()})" in done.stdout
    assert f"App id: {os.environ['PYNENC__APP_ID']}" in done.stdout
    assert "App class: pynenc.app.Pynenc" in done.stdout
    line = next(line for line in done.stdout.splitlines() if line.strip().startswith("lease_sec ="))
    assert "7.5" in line
    assert "PYNENC__LEASE_SEC" in line or "environment" in line


@pytest.mark.parametrize("runner_cls", ["", "ProcessRunner", "NoSuchRunner"])
def test_show_config_names_the_store_the_runner_that_would_start_and_the_defaults_of_tasks(runner_cls: str) -> None:
    environment = {"PYNENC__STORE_URL": "", "PYNENC__TASK_DEFAULTS__MAX_RETRIES": "4"}
    done = _pynenc("--app", "shop", "show_config", environment=environment | {"PYNENC__RUNNER_CLS": runner_cls})
    assert (done.returncode, done.stderr) == (0, "")
    path = Path(".pynenc").absolute() / f"{os.environ['PYNENC__APP_ID']}.db"
    assert f"Store: sqlite:///{path} (the default: it goes by the working folder)" in done.stdout
    assert not path.exists(), "nothing is made"
    [line] = [line for line in done.stdout.splitlines() if line.startswith("Runner: ")]
    expected = {
        "": "ThreadRunner (no runner is configured",
        "ProcessRunner": "ProcessRunner (runner_cls is 'ProcessRunner')",
        "NoSuchRunner": "none can be started: ConfigPynenc.runner_cls (from environment variable PYNENC__RUNNER_CLS)",
    }
    assert line.startswith("Runner: " + expected[runner_cls])
    tasks = done.stdout.partition("ConfigTask, of tasks that say nothing else:")[2]
    assert "  max_retries = 4 retries  [environment variable PYNENC__TASK_DEFAULTS__MAX_RETRIES]" in tasks


def test_a_runner_prints_each_line_of_its_start_once(processes: Processes) -> None:
    for level, printed in (("info", 0), ("warning", 1)):
        runner = processes.started_runner("shop", PYNENC__RUNNER_CLS="ThreadRunner", PYNENC__LOGGING_LEVEL=level)
        runner.await_output("Tasks: 1, in shop (1)" if printed else "] started: ")
        runner.send(signal.SIGTERM)
        assert runner.wait() == 0
        output = runner.output()
        assert output.count("Store: sqlite:///") == output.count("Queues: all") == printed
        assert output.count("store: sqlite:///") == output.count("queues: all") == 1 - printed


def test_show_config_masks_secrets() -> None:
    environment = {"PYNENC__STORE_URL": "redis://user:s3cr3t-XYZ@localhost/0"}
    done = _pynenc("--app", "shop", "show_config", environment=environment)
    assert done.returncode == 0
    assert "s3cr3t-XYZ" not in done.stdout
    assert "localhost" in done.stdout


def test_runner_show_config_shows_the_runner_that_would_start() -> None:
    environment = {"PYNENC__CONFIGTHREADRUNNER__MAX_THREADS": "3"}
    done = _pynenc("--app", "shop", "runner", "show_config", environment=environment)
    assert done.returncode == 0
    assert "ThreadRunner" in done.stdout
    assert any(line.strip().startswith("max_threads = 3") for line in done.stdout.splitlines())


def test_the_app_of_the_working_directory_needs_no_spec() -> None:
    done = _pynenc("show_config")
    assert done.returncode == 0
    assert "App location: shop:app" in done.stdout


# -- runner start ------------------------------------------------------------------------------------------------------


def test_a_file_beside_the_app_that_makes_none_is_not_run() -> None:
    Path("tasks.py").write_text("# Pynenc\nraise LookupError('half written')\n")
    done = _pynenc("show_config")
    assert done.returncode == 0
    assert "App location: shop:app" in done.stdout
    assert "no --app was given: using shop:app" in done.stderr
    assert "half written" not in done.stderr
    assert "half written" not in done.stdout


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=lambda signum: signum.name)
def test_a_started_runner_works_and_stops_with_0(signum: signal.Signals, processes: Processes) -> None:
    runner = processes.started_runner("shop")
    client = processes.python("-c", "import shop; print('sum', shop.add(1, 2).get_result(timeout=50))")
    assert client.wait() == 0
    assert "sum 3" in client.output()
    runner.send(signum)
    assert runner.wait() == 0
    assert "Traceback" not in runner.output()


def test_a_stop_signal_right_after_the_first_line_is_a_clean_stop(processes: Processes) -> None:
    runner = processes.started_runner("shop")
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0
    assert "Traceback" not in runner.output()


def test_a_stop_signal_while_the_app_is_imported_is_a_clean_stop(processes: Processes) -> None:
    Path("slow.py").write_text(FOR_EVER + "wait()\n" + APP)
    runner = processes.runner("slow")
    runner.await_output("importing")
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0
    assert "Traceback" not in runner.output()


@pytest.mark.parametrize(
    "module",
    [
        # Python converts the exception into a RuntimeError.
        "class Field:\n    def __set_name__(self, owner, name):\n        wait()\nclass Owner:\n    field = Field()\n",
        "try:\n    wait()\nexcept:\n    pass\n",
    ],
    ids=["made another exception", "caught"],
)
def test_a_stop_signal_that_code_of_the_app_gets_hold_of_is_a_clean_stop(processes: Processes, module: str) -> None:
    Path("slow.py").write_text(FOR_EVER + module + APP)
    runner = processes.runner("slow")
    runner.await_output("importing")
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()
    assert "Traceback" not in runner.output()
    assert "starting" not in runner.output()


def test_a_stop_signal_that_a_module_of_a_trigger_catches_is_a_clean_stop(processes: Processes) -> None:
    Path("catches.py").write_text(FOR_EVER + "try:\n    wait()\nexcept BaseException:\n    pass\n")
    runner = processes.runner("shop", PYNENC__TRIGGER_TASK_MODULES="catches")
    runner.await_output("importing")
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()
    assert "starting" not in runner.output()


def test_runner_start_prints_the_chosen_runner_and_the_reason(processes: Processes) -> None:
    runner = processes.runner("shop")
    runner.await_output("Runner: ThreadRunner (no runner is configured")
    assert f"Starting runner for app: {os.environ['PYNENC__APP_ID']}" in runner.output()


@pytest.mark.parametrize(
    ("options", "setting", "reason"),
    [
        (["--runner", "OwnRunner"], {}, "asked for with --runner"),
        ([], {"PYNENC__RUNNER_CLS": "OwnRunner"}, "runner_cls is 'OwnRunner'"),
    ],
    ids=["option", "setting"],
)
def test_a_runner_of_the_app_is_chosen_by_name(
    options: list[str], setting: dict[str, str], reason: str, processes: Processes
) -> None:
    arguments = ["-m", "pynenc", "--app", "shop", "runner", "start", *options]
    runner = processes.python(*arguments, **setting)
    runner.await_output(f"Runner: OwnRunner ({reason})")
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()


def test_a_runner_that_the_module_made_is_the_one_to_start(processes: Processes) -> None:
    Path("made.py").write_text(APP + "\nrunner = OwnRunner(app)\n")
    processes.runner("made").await_output("Runner: OwnRunner (made by the app)")


def test_threads_and_queues_are_set_by_options(processes: Processes) -> None:
    Path("queues.py").write_text(
        APP
        + """
@app.task(queue="heavy")
def slots() -> int:
    return app.runner.max_parallel_slots
"""
    )
    arguments = ["-m", "pynenc", "--app", "queues", "runner", "start", "--threads", "3", "--queues", "heavy, other"]
    processes.python(*arguments).await_output("queues: heavy, other")
    program = "import queues; queues.add(1, 2); print('slots', queues.slots().get_result(timeout=50))"
    program += "; print(queues.app.orchestrator.count_invocations(statuses='registered'), 'left')"
    client = processes.python("-c", program)
    assert client.wait() == 0
    assert "slots 3\n1 left" in client.output()


@pytest.mark.parametrize(
    ("options", "setting", "words"),
    [
        ([], {"PYNENC__RUNNER_CLS": "DummyRunner"}, ["DummyRunner", "PYNENC__RUNNER_CLS"]),
        (["--runner", "DummyRunner"], {}, ["DummyRunner", "--runner"]),
        (["--runner", "NoSuchRunner"], {}, ["NoSuchRunner", "OwnRunner"]),
        ([], {"PYNENC__LEASE_SEC": "soon"}, ["lease_sec", "soon"]),
        ([], {"PYNENC__STORE_URL": "sqlite:////proc/no/such/folder.db"}, ["/proc/no/such"]),
    ],
    ids=["dummy-setting", "dummy-option", "unknown", "setting", "store"],
)
def test_a_runner_that_cannot_start_fails_with_one_line(
    options: list[str], setting: dict[str, str], words: list[str]
) -> None:
    done = _pynenc("--app", "shop", "runner", "start", *options, environment=setting)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_a_store_in_memory_is_warned_about(processes: Processes) -> None:
    processes.runner("shop", PYNENC__STORE_URL="memory://").await_output("warning: the store is in memory")
