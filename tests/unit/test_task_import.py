"""Modules of tasks that take their time, or hang, when they are imported."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import flags
from support.waiting import wait_until

from pynenc import Pynenc, _task_import
from pynenc.exceptions import TaskError

_APP = "from pynenc import Pynenc\n\napp = Pynenc()\n"
_WAITS = """
from support import flags
from slow_app import app

flags.raise_flag("import-begun")
flags.await_flag("import-may-end")

@app.task
def job() -> int:
    return 1
"""


@pytest.fixture
def app(memory_env: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pynenc]:
    """An app, and beside it a module whose import waits for a flag."""
    (tmp_path / "slow_app.py").write_text(_APP)
    (tmp_path / "slow_job.py").write_text(_WAITS)
    monkeypatch.syspath_prepend(tmp_path)
    import slow_app

    yield slow_app.app
    flags.raise_flag("import-may-end")
    for thread in threading.enumerate():
        if thread.name.startswith("pynenc-import-"):
            thread.join(30)
    _task_import._imports.clear()
    for name in ("slow_app", "slow_job"):
        sys.modules.pop(name, None)


def _problem(app: Pynenc, task_id: str) -> str:
    with pytest.raises(TaskError) as raised:
        app.get_task(task_id)
    return str(raised.value)


def test_an_import_that_hangs_is_given_up_and_the_message_says_where_it_is(app: Pynenc) -> None:
    app.conf.task_import_limit_sec = 0.2
    problem = _problem(app, "slow_job.job")
    assert flags.is_raised("import-begun")
    assert "importing module slow_job goes on at " in problem
    assert "it was given up after 0.2 s" in problem


def test_nobody_waits_a_second_time_for_an_import_that_hangs(app: Pynenc) -> None:
    app.conf.task_import_limit_sec = 0.2
    _problem(app, "slow_job.job")
    # Who waited for it would do so for longer than any test lasts.
    app.conf.task_import_limit_sec = 6000
    for _ in range(3):
        assert "given up" in _problem(app, "slow_job.other")
    assert sum(thread.name == "pynenc-import-slow_job" for thread in threading.enumerate()) == 1


def test_a_task_is_known_as_soon_as_its_import_has_ended_after_all(app: Pynenc) -> None:
    app.conf.task_import_limit_sec = 0.2
    _problem(app, "slow_job.job")
    flags.raise_flag("import-may-end")
    wait_until(lambda: "slow_job.job" in app.tasks, "the module registers its task")
    assert app.get_task("slow_job.job").func() == 1
    assert "registers no task of this name" in _problem(app, "slow_job.other")


def test_who_comes_while_a_module_is_imported_waits_for_it_as_well(app: Pynenc) -> None:
    found = []
    threads = [threading.Thread(target=lambda: found.append(app.get_task("slow_job.job"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    flags.await_flag("import-begun")
    flags.raise_flag("import-may-end")
    for thread in threads:
        thread.join(30)
    assert found == [app.get_task("slow_job.job")] * 4


def test_a_module_that_asks_for_a_task_of_its_own_too_early_does_not_wait_for_itself(
    app: Pynenc, tmp_path: Path
) -> None:
    (tmp_path / "slow_job.py").write_text("from slow_app import app\n\napp.get_task('slow_job.job')\n")
    # Who waited would do so for longer than any test lasts.
    app.conf.task_import_limit_sec = 6000
    problem = _problem(app, "slow_job.job")
    assert "importing module slow_job failed with TaskError" in problem
    assert "is being imported, and has not registered a task of this name yet" in problem
