"""A runner that the command line starts in a layout of a project, a folder under `tests/layouts`, knows its tasks."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import NamedTuple

import pytest
from support.processes import TESTS, Child, Processes

pytestmark = pytest.mark.usefixtures("sqlite_env")

START = ("runner", "start")


class Case(NamedTuple):
    """The start of a runner in a layout, and the results of its client."""

    layout: str
    command: tuple[str, ...]
    expected: tuple[str, ...]
    folder: str = ""
    path: tuple[str, ...] = ()
    settings: dict[str, str] = {}


CASES = {
    "flat": Case("flat", ("--app", "shop_app", *START), ("below.deep", "mail")),
    "flat, by file": Case("flat", ("--app", "shop_app.py", *START), ("below.deep", "mail")),
    "flat, by search": Case("flat", START, ("below.deep", "mail")),
    "package": Case("package", ("--app", "shop.app", *START), ("shop.mail", "shop.sub.relative")),
    "package, by file": Case("package", ("--app", "shop/app.py", *START), ("shop.mail", "shop.sub.relative")),
    "inside a folder with an __init__, by file": Case("inside", ("--app", "app.py", *START), ("mail",)),
    "inside a folder with an __init__, by search": Case("inside", START, ("mail",)),
    "inside, app and tasks in one module, by file": Case(
        "inside_one_module", ("--app", "tasks.py", *START), ("tasks",)
    ),
    "inside, app and tasks in one module, by name": Case(
        "inside_one_module", ("--app", "tasks.app", *START), ("tasks",)
    ),
    "inside, app and tasks in one module, by search": Case("inside_one_module", START, ("tasks",)),
    "inside a package, by file": Case("inside_package", ("--app", "app.py", *START), ("shop.mail",), "shop"),
    "inside a package, by search": Case("inside_package", START, ("shop.mail",), "shop"),
    "src": Case("src_layout", ("--app", "src/shop/app.py", *START), ("shop.mail",), path=("src",)),
    "src, installed": Case("src_layout", ("--app", "shop.app", *START), ("shop.mail",), path=("src",)),
    "two roots": Case(
        "two_roots",
        ("--app", "shop.app", *START),
        ("more", "shop.mail"),
        path=("first", "second"),
        settings={"PYNENC__TASK_MODULES": "more"},
    ),
    "two roots, by option": Case(
        "two_roots",
        ("--app", "shop.app", *START, "--import", "more"),
        ("more", "shop.mail"),
        path=("first", "second"),
    ),
}


def _copy(layout: str, tmp_path: Path) -> Path:
    folder = tmp_path / layout
    shutil.copytree(TESTS / "layouts" / layout, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def _run(processes: Processes, monkeypatch: pytest.MonkeyPatch, root: Path, case: Case, *options: str) -> Child:
    path = os.pathsep.join(str(root / entry) for entry in case.path)
    monkeypatch.chdir(root / case.folder)
    return processes.python("-m", "pynenc", *case.command, *options, PYTHONPATH=path, **case.settings)


def _printed(client: Child) -> tuple[str, ...]:
    """Return the results of the tasks; a line of the log has spaces."""
    return tuple(line for line in client.output().splitlines() if " " not in line)


def _stop(runner: Child) -> str:
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()
    return runner.output()


@pytest.mark.parametrize("name", CASES)
def test_a_runner_that_is_started_in_a_layout_knows_its_tasks(
    name: str, processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    root = _copy(case.layout, tmp_path)
    runner_cls = "ThreadRunner" if len(name) % 2 else "PersistentProcessRunner"
    runner = _run(processes, monkeypatch, root, case, "--runner", runner_cls)
    monkeypatch.chdir(root)
    client = processes.python("client.py", PYTHONPATH=os.pathsep.join(str(root / entry) for entry in case.path))
    assert client.wait() == 0, client.output() + runner.output()
    assert _printed(client) == case.expected
    output = _stop(runner)
    for module in case.expected:
        assert f"{module} (1)" in output


def test_a_task_of_a_module_that_is_not_here_waits_for_a_runner_that_has_it(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = _copy("two_roots", tmp_path)
    listed = CASES["two roots"]
    path = os.pathsep.join(str(root / entry) for entry in listed.path)
    runner = _run(processes, monkeypatch, root, listed._replace(settings={}), "--runner", "ThreadRunner")
    monkeypatch.chdir(root)
    client = processes.python("client.py", PYTHONPATH=path)
    runner.await_output("module more is not imported")
    assert "--import more" in runner.output()
    assert "PYNENC__TASK_MODULES" in runner.output()
    _stop(runner)
    _run(processes, monkeypatch, root, listed, "--runner", "ThreadRunner")
    assert client.wait() == 0, client.output()
    assert _printed(client) == listed.expected


# -- options behind the command ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ("runner", "show_config", "--app", "shop_app", "-v"),
        ("runner", "--app", "shop_app", "show_config", "--verbose"),
        ("-v", "runner", "-v", "show_config", "--app=shop_app"),
        ("show_config", "--app", "shop_app", "-v"),
        ("--app", "shop_app", "-v", "show_config"),
        ("--app", "overridden", "show_config", "-v", "--app", "shop_app"),
    ],
    ids=" ".join,
)
def test_the_options_of_the_program_are_taken_behind_the_command_too(
    command: tuple[str, ...], processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(_copy("flat", tmp_path))
    done = processes.python("-m", "pynenc", *command, PYTHONPATH="")
    assert done.wait() == 0, done.output()
    assert "App location: shop_app:app" in done.output()
    # What -v does: log at debug level, and show the tracebacks of errors.
    if "runner" not in command:
        assert "logging_level = 'debug'" in done.output()
    else:
        failed = processes.python("-m", "pynenc", *command, "--runner", "Missing", PYTHONPATH="")
        assert failed.wait() == 1
        assert "Traceback" in failed.output()
