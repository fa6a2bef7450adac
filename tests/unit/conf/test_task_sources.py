"""The sources of the settings of tasks are read once for all tasks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from pynenc.conf import sources, task_sources
from pynenc.conf.config_task import ConfigTask
from pynenc.exceptions import ConfigError
from pynenc.identifiers import TaskId

TASKS = [TaskId("shop.tasks", f"task_{number}") for number in range(200)]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The files that are read from now on; the working folder is empty."""
    monkeypatch.chdir(tmp_path)
    found: list[str] = []
    read = sources.read_file

    def count(path: Any) -> dict[str, Any]:
        found.append(Path(path).name)
        return read(path)

    monkeypatch.setattr(sources, "read_file", count)
    monkeypatch.setattr(task_sources, "_kept", [])
    return found


def test_files_are_read_once_for_all_tasks(reads: list[str], tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.pynenc.task]\nmax_retries = 2\n")
    file = tmp_path / "shop.json"
    file.write_text('{"task": {"queue": "mail", "shop.tasks.task_7": {"max_retries": 7}}}')
    values = {"task": {"priority": 3}}
    made = {task: ConfigTask(values, str(file), task_id=task) for task in TASKS}
    assert sorted(reads) == ["pyproject.toml", "shop.json"]
    assert {conf.max_retries for task, conf in made.items() if task != TASKS[7]} == {2}
    assert made[TASKS[7]].max_retries == 7
    assert {(conf.queue, conf.priority) for conf in made.values()} == {("mail", 3.0)}


def test_the_decorators_of_tasks_are_not_mixed_up(reads: list[str]) -> None:
    made = [ConfigTask({}, task_id=task, task_options={"max_retries": n}) for n, task in enumerate(TASKS)]
    assert [conf.max_retries for conf in made] == list(range(len(TASKS)))
    with pytest.raises(
        ConfigError, match=r"ConfigTask.max_retries .* got -1 \(from the decorator of task shop.tasks.task_0"
    ):
        ConfigTask({}, task_id=TASKS[0], task_options={"max_retries": -1})


def test_a_source_that_has_changed_is_read_again(
    reads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def retries() -> int:
        return ConfigTask(values, str(file), task_id=TASKS[0]).max_retries

    values: dict[str, Any] = {"task": {"max_retries": 1}}
    file = tmp_path / "shop.json"
    file.write_text("{}")
    assert retries() == 1
    values["task"]["max_retries"] = 2
    assert retries() == 2
    file.write_text('{"task": {"max_retries": 3}}')
    assert retries() == 3
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    Path("pyproject.toml").write_text("[tool.pynenc.task]\nqueue = 'here'\n")
    assert ConfigTask(values, str(file), task_id=TASKS[0]).queue == "here"
    monkeypatch.setenv("PYNENC__CONFIGTASK__MAX_RETRIES", "4")
    assert retries() == 4
    monkeypatch.setenv("PYNENC__CONFIGTASK__SHOP#TASKS#TASK_0__MAX_RETRIES", "5")
    assert retries() == 5
    assert ConfigTask(values, str(file), task_id=TASKS[1]).max_retries == 4


def test_settings_of_many_single_tasks_cost_each_task_no_more(reads: list[str]) -> None:
    def seconds(count: int) -> float:
        values = {"task": {f"shop.tasks.task_{number}": {"max_retries": number} for number in range(count)}}
        ConfigTask(values, task_id=TASKS[0])
        began = time.process_time()
        for number in range(300):
            conf = ConfigTask(values, task_id=TASKS[number % len(TASKS)])
            assert conf.max_retries == number % len(TASKS)
        return time.process_time() - began

    few = min(seconds(200) for _ in range(3))
    many = min(seconds(2000) for _ in range(3))
    assert many < 5 * few, f"{few:.3f} s among 200 and {many:.3f} s among 2000"
