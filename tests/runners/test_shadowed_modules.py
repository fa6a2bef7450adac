"""Files of the user's that are named like modules of Python do not get into the runner's own processes."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import Child, Processes

from pynenc._tasks.shadows import shadowing_files

RUNNERS = ["ThreadRunner", "PersistentProcessRunner", "ProcessRunner", "AsyncRunner"]
NAMES = ["signal", "selectors", "token", "logging", "uuid", "json", "queue", "copy", "socket", "asyncio", "struct"]
APP = """
from pynenc import Pynenc
app = Pynenc()

@app.task
def job(x: int) -> int:
    return x + 1
"""
TRAP = "raise RuntimeError('taken for the module of Python')\n"


@pytest.fixture(autouse=True)
def modules_are_forgotten(sqlite_env: None, tmp_path: Path) -> Iterator[None]:
    """The app of this test is imported as a client does."""
    path = list(sys.path)
    sys.path.insert(0, str(tmp_path))
    yield
    sys.path[:] = path
    for name in ("shop_app", "shop_tasks"):
        sys.modules.pop(name, None)


def _stop(runner: Child) -> str:
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0, runner.output()
    return runner.output()


@pytest.mark.parametrize(
    ("runner_cls", "how"), [*((name, "script") for name in RUNNERS), ("PersistentProcessRunner", "module")]
)
def test_a_runner_works_beside_files_with_the_names_of_pythons_modules(
    processes: Processes, runner_cls: str, how: str
) -> None:
    Path("shop_app.py").write_text(APP)
    # `python -m` itself imports this module before any code of pynenc.
    names = [*NAMES, "types"] if how == "script" else NAMES
    for name in names:
        Path(f"{name}.py").write_text(TRAP)
    first = ["-m", "pynenc"] if how == "module" else [os.path.join(os.path.dirname(sys.executable), "pynenc")]
    runner = processes.python(*first, "--app", "shop_app", "runner", "start", "--runner", runner_cls)
    assert importlib.import_module("shop_app").job(1).get_result(timeout=30) == 2
    output = _stop(runner)
    for name in names:
        assert f"{name}.py has the name of module {name} of the standard library" in output
    assert "RuntimeError" not in output


def test_a_file_that_an_import_of_the_app_takes_for_pythons_is_named(processes: Processes) -> None:
    Path("shop_app.py").write_text("import colorsys\ncolorsys.rgb_to_hls(0, 0, 0)\n" + APP)
    Path("colorsys.py").write_text("")
    runner = processes.runner("shop_app", PYNENC__RUNNER_CLS="PersistentProcessRunner")
    assert runner.wait() == 1
    assert "AttributeError" in runner.output()
    assert "colorsys.py has the name of module colorsys of the standard library" in runner.output()


@pytest.mark.parametrize("text", [TRAP, ""], ids=["raises", "empty"])
def test_a_program_beside_such_a_file_is_told_its_name(processes: Processes, text: str) -> None:
    Path("main.py").write_text("from pynenc import Pynenc\nPynenc('x').conf.app_id\n")
    Path("dataclasses.py").write_text(text)
    program = processes.python("main.py")
    assert program.wait() == 1
    assert "dataclasses.py has the name of module dataclasses of the standard library" in program.output()


def test_a_module_of_tasks_with_the_name_of_pythons_is_named_and_not_imported(processes: Processes) -> None:
    Path("shop_app.py").write_text(APP)
    Path("colorsys.py").write_text("from shop_app import app\n@app.task\ndef paint() -> None: ...\n" + TRAP)
    runner = processes.runner("shop_app", PYNENC__RUNNER_CLS="PersistentProcessRunner")
    assert importlib.import_module("shop_app").job(1).get_result(timeout=30) == 2
    output = _stop(runner)
    assert "colorsys.py has the name of module colorsys of the standard library" in output
    assert "RuntimeError" not in output


@pytest.mark.parametrize("runner_cls", ["ThreadRunner", "PersistentProcessRunner"])
@pytest.mark.parametrize("kind", ["Path", "bytes"])
def test_entries_of_the_path_that_are_no_text_are_ignored(processes: Processes, runner_cls: str, kind: str) -> None:
    entry = "pathlib.Path('lib')" if kind == "Path" else "b'lib'"
    Path("shop_app.py").write_text(f"import pathlib, sys\nsys.path.insert(0, {entry})\n" + APP)
    runner = processes.runner("shop_app", PYNENC__RUNNER_CLS=runner_cls)
    client = processes.python("-c", f"import pathlib, sys\nsys.path.insert(0, {entry})\n{CLIENT}")
    assert client.wait() == 0, client.output()
    assert _stop(runner)


CLIENT = "sys.path.insert(1, '')\nimport shop_app\nassert shop_app.job(1).get_result(timeout=30) == 2"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ("--app", "shop_app", "runner", "start", "--import", "queue"),
            "task_modules: 'queue' is a module of",
        ),
        (("--app", "queue", "runner", "start"), "the module queue of the standard library (rename your file) has no"),
        (("--app", "queue.py", "runner", "start"), "rename the file"),
    ],
    ids=["listed", "app by name", "app by file"],
)
def test_a_module_that_is_named_and_is_pythons_is_refused(
    processes: Processes, options: tuple[str, ...], words: str
) -> None:
    Path("shop_app.py").write_text(APP)
    Path("queue.py").write_text(APP)
    runner = processes.python("-m", "pynenc", *options)
    assert runner.wait() == 1
    assert words in runner.output()


def test_only_what_comes_ahead_of_the_standard_library_shadows_it(tmp_path: Path) -> None:
    behind = tmp_path / "behind"
    behind.mkdir()
    (behind / "json.py").touch()
    Path("json.py").touch()
    Path("test").mkdir()
    Path("test/__init__.py").touch()
    Path("email").mkdir()
    Path("email/__init__.py").touch()
    Path("html").mkdir()
    standard_library = os.path.dirname(os.__file__)
    found = shadowing_files(["", b"x", tmp_path, standard_library, str(behind)])
    assert found == [str(tmp_path / "email"), str(tmp_path / "json.py")]
