"""Set-up in the main module of a program is missing in worker processes, and the runner names the right place."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from support.processes import Child, Processes

pytestmark = pytest.mark.usefixtures("sqlite_env")

APP = "from pynenc import Pynenc\napp = Pynenc()\n\n@app.task\ndef known() -> int:\n    return 1\n"
WORK = "def add(x: int, y: int) -> int:\n    return x + y\n"
MAIN = """
import logging, sys, threading
from shop_app import app, known
from pynenc.runner import {runner}
{setup}
runner = {runner}(app)
thread = threading.Thread(target=runner.run)
thread.start()
try:
{calls}
finally:
    runner.stop_runner_loop()
    thread.join()
"""


def _program(processes: Processes, setup: str, calls: str, runner: str = "PersistentProcessRunner") -> Child:
    Path("shop_app.py").write_text(APP)
    Path("work.py").write_text(WORK)
    Path("main.py").write_text(MAIN.format(setup=setup, calls=calls, runner=runner))
    return processes.python("main.py")


KNOWN = "    assert known().get_result(timeout=60) == 1"
MISSING = "logging is set up in this process, but not in its worker processes"


def test_logging_that_the_main_module_sets_up_is_said_to_belong_elsewhere(processes: Processes) -> None:
    program = _program(processes, "logging.basicConfig(level='INFO')", KNOWN)
    assert program.wait() == 0, program.output()
    assert program.output().count(MISSING) == 1, program.output()
    assert "main.py). Set up what bodies need in a module of the app" in program.output()


@pytest.mark.parametrize(
    "setup",
    [
        "",
        "logging.basicConfig()\n@app.on_worker_start\ndef log() -> None:\n    logging.basicConfig()",
        "open('logs.py', 'w').write('import logging\\nlogging.basicConfig()')\nimport logs\n"
        "app.conf.task_modules = ('logs',)",
    ],
    ids=["none", "on_worker_start", "a module"],
)
def test_logging_that_workers_have_too_is_not_mentioned(processes: Processes, setup: str) -> None:
    program = _program(processes, setup, KNOWN)
    assert program.wait() == 0, program.output()
    assert MISSING not in program.output()


def test_a_runner_of_the_command_line_does_not_mention_logging(processes: Processes) -> None:
    Path("shop_app.py").write_text(APP)
    start = ("--app", "shop_app", "runner", "start", "--runner", "PersistentProcessRunner")
    runner = processes.python("-m", "pynenc", *start)
    client = processes.python("-c", "import shop_app\nassert shop_app.known().get_result(timeout=60) == 1")
    assert client.wait() == 0, client.output() + runner.output()
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0
    assert MISSING not in runner.output()


# -- who registers tasks -----------------------------------------------------------------------------------------------

REGISTER = "from shop_app import app\nimport work\nadd = app.task(work.add)\n"


@pytest.mark.parametrize("runner", ["ThreadRunner", "PersistentProcessRunner", "ProcessRunner"])
def test_workers_know_tasks_that_another_module_than_their_own_registers(processes: Processes, runner: str) -> None:
    Path("register.py").write_text(REGISTER)
    program = _program(
        processes, "from register import add", "    assert add(1, 2).get_result(timeout=60) == 3", runner
    )
    assert program.wait() == 0, program.output()
    assert "is unknown in worker processes" not in program.output()


def test_the_module_that_the_command_line_names_registers_tasks_of_other_modules(processes: Processes) -> None:
    Path("shop_app.py").write_text(APP)
    Path("work.py").write_text(WORK)
    Path("register.py").write_text(REGISTER)
    for runner_cls in ("ThreadRunner", "ProcessRunner"):
        start = ("--app", "register:app", "runner", "start", "--runner", runner_cls)
        runner = processes.python("-m", "pynenc", *start)
        call = "import register\nassert register.add(1, 2).get_result(timeout=60) == 3"
        client = processes.python("-c", call)
        assert client.wait() == 0, client.output() + runner.output()
        runner.send(signal.SIGTERM)
        assert runner.wait() == 0


def test_a_task_that_the_main_module_registers_is_named_with_the_remedy(processes: Processes) -> None:
    program = _program(processes, "import work\nadd = app.task(work.add)", KNOWN)
    assert program.wait() == 0, program.output()
    assert "task work.add is unknown in worker processes: the main module of the program registers it" in (
        program.output()
    )
    assert "list that in task_modules" in program.output()


# -- modules that fail at the start ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("runner_cls", "kind"),
    [
        ("ThreadRunner", "def"),
        ("PersistentProcessRunner", "def"),
        ("ProcessRunner", "def"),
        ("AsyncRunner", "async def"),
    ],
)
def test_a_module_of_tasks_that_failed_at_the_start_is_tried_again_when_it_is_called(
    processes: Processes, runner_cls: str, kind: str
) -> None:
    Path("shop_app.py").write_text(APP)
    Path("late.py").write_text(
        "from pathlib import Path\nfrom shop_app import app\n"
        "if not Path('ready').exists():\n    raise ConnectionError('not ready')\n"
        f"@app.task\n{kind} late() -> int:\n    return 7\n"
    )
    start = ("--app", "shop_app", "runner", "start", "--runner", runner_cls)
    runner = processes.python("-m", "pynenc", *start)
    runner.await_output("Tasks: ")
    assert "importing module late failed with ConnectionError: not ready" in runner.output()
    Path("ready").touch()
    client = processes.python("-c", "import late\nassert late.late().get_result(timeout=60) == 7")
    assert client.wait() == 0, client.output() + runner.output()
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0
