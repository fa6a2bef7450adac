"""A runner that knows no task logs a warning at its start, with the command that would find the tasks."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from support.modules import write_file
from support.processes import Processes

APP = "from pynenc import Pynenc\n{} = Pynenc()\n"
TASK = "from bakery.app import app\n\n@app.task\ndef bake() -> int:\n    return 1\n"

pytestmark = pytest.mark.usefixtures("sqlite_env")


def _warnings(processes: Processes, *command: str) -> list[str]:
    runner = processes.python("-m", "pynenc", *command, "runner", "start", "--runner", "ThreadRunner")
    runner.await_output(" slots: ")
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()
    return [line for line in runner.output().splitlines() if "knows no task" in line]


def test_inside_a_package_the_command_by_its_name_is_given_and_works(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file("bakery/__init__.py", "")
    write_file("bakery/app.py", APP.format("app"))
    write_file("bakery/bread.py", TASK)
    monkeypatch.chdir("bakery")
    [warning] = _warnings(processes, "--app", "app")
    assert " WARNING " in warning
    assert f"Run `pynenc --app bakery.app runner start` in the folder {tmp_path}, or " in warning
    assert "task_modules (PYNENC__TASK_MODULES)" in warning
    monkeypatch.chdir(tmp_path)
    assert _warnings(processes, "--app", "bakery.app") == []


def test_a_variable_that_was_named_is_part_of_the_command(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_file("shop/__init__.py", "")
    write_file("shop/bakery/__init__.py", "")
    write_file("shop/bakery/app.py", APP.format("oven"))
    monkeypatch.chdir("shop/bakery")
    [warning] = _warnings(processes, "--app", "app:oven")
    assert "`pynenc --app shop.bakery.app:oven runner start`" in warning


def test_outside_of_a_package_other_remedies_are_named(processes: Processes) -> None:
    write_file("lonely.py", APP.format("app"))
    [warning] = _warnings(processes, "--app", "lonely")
    assert " WARNING " in warning
    assert "--app" not in warning
    assert "task_modules (PYNENC__TASK_MODULES), or start the runner with --import MODULE" in warning
