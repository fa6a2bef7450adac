"""The guides are true: every block of Python runs, and prints what the guide shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.guides import Guide, run_python
from support.processes import Processes

WITH_A_RUNNER = {"tasks-and-invocations.md": "shop"}
"""Guides whose programs need a runner, and its app."""

WITH_TESTS = ["test-your-app.md"]
"""Guides whose code is tests."""


@pytest.mark.parametrize("name", [*WITH_A_RUNNER, *WITH_TESTS])
def test_every_block_of_python_of_a_guide_names_its_file(name: str) -> None:
    guide = Guide(name)
    assert guide.files
    assert guide.unnamed == []


@pytest.mark.parametrize("name", WITH_A_RUNNER)
def test_the_programs_of_a_guide_print_what_it_shows(
    name: str, tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = Guide(name)
    folder = tmp_path / "reader"
    folder.mkdir()
    guide.write(folder)
    # Relative, so that all programs of the folder share the file, as the reader's do.
    monkeypatch.chdir(folder)
    processes.started_runner(WITH_A_RUNNER[name], PYNENC__RUNNER_CLS="ThreadRunner")
    assert guide.prints
    for program, shown in guide.prints.items():
        done = run_python(folder, program)
        assert done.returncode == 0, f"{program}: {done.stderr}\n{processes.logs()}"
        assert _without_trailing_spaces(done.stdout) == _without_trailing_spaces(shown), program


@pytest.mark.parametrize("name", WITH_TESTS)
def test_the_tests_of_a_guide_pass_and_their_types_are_right(name: str, tmp_path: Path) -> None:
    Guide(name).write(tmp_path)
    done = run_python(tmp_path, "-m", "pytest", "-q", "-ra")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
    done = run_python(tmp_path, "-m", "mypy", "--strict", ".")
    assert done.returncode == 0, done.stdout


def _without_trailing_spaces(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]
