"""A process that changes its working folder keeps its store, and hands it to the processes that it starts."""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from support.processes import Processes

from pynenc import Pynenc

RELATIVE = [
    ({}, ".pynenc/shop.db"),
    ({"sqlite_db_path": "data.db"}, "data.db"),
    ({"store_url": "sqlite:///data.db"}, "data.db"),
]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Another folder."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


@pytest.fixture
def path_of_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that are started find the modules of the tests."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))


def _count(app: Pynenc) -> int:
    return int(app.orchestrator.count_invocations())


@pytest.mark.parametrize(("values", "file"), RELATIVE, ids=["default", "path", "url"])
def test_a_relative_store_path_is_absolute_from_when_the_app_is_made(
    values: dict[str, Any], file: str, tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Pynenc("shop", values)
    monkeypatch.chdir(elsewhere)
    assert _count(app) == 0
    assert app._runtime.store.url == f"sqlite:///{tmp_path / file}"
    assert (tmp_path / file).is_file()
    assert list(elsewhere.iterdir()) == []


def test_a_fork_and_a_spawned_process_open_the_store_of_their_parent(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, path_of_tests: None
) -> None:
    app = Pynenc("shop", {"sqlite_db_path": "data.db"})
    assert _count(app) == 0
    monkeypatch.chdir(elsewhere)
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        queue: Any = context.SimpleQueue()
        child = context.Process(target=_tell_url, args=(app, queue))
        child.start()
        child.join(60)
        assert child.exitcode == 0
        assert queue.get() == f"sqlite:///{tmp_path / 'data.db'}"


def _tell_url(app: Pynenc, queue: Any) -> None:
    assert _count(app) == 0
    queue.put(app._runtime.store.url)


def test_a_path_that_is_assigned_is_relative_to_the_folder_of_that_moment(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    app = Pynenc("shop")
    monkeypatch.chdir(elsewhere)
    app.conf.sqlite_db_path = "later.db"
    monkeypatch.chdir(tmp_path)
    assert _count(app) == 0
    assert (elsewhere / "later.db").is_file()


def test_a_config_file_is_found_after_a_change_of_folder(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("shop.toml").write_text("[pynenc]\nmax_recoveries = 7\n")
    app = Pynenc("shop", config_filepath="shop.toml")
    monkeypatch.chdir(elsewhere)
    assert app.conf.max_recoveries == 7


@pytest.mark.parametrize("runner_cls", ["ThreadRunner", "PersistentProcessRunner", "ProcessRunner"])
def test_bodies_that_change_the_folder_work_on_the_store_of_their_runner(
    processes: Processes, runner_cls: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Path("wander_app.py").write_text(
        "import os\nfrom pynenc import Pynenc\napp = Pynenc('wander')\n"
        "@app.task\ndef inner() -> int:\n    return 2\n"
        "@app.task\ndef outer() -> int:\n    os.chdir('elsewhere')\n    return inner().result\n"
    )
    processes.started_runner("wander_app", PYNENC__RUNNER_CLS=runner_cls)
    monkeypatch.syspath_prepend(tmp_path)
    import importlib

    try:
        assert importlib.import_module("wander_app").outer().get_result(timeout=30) == 2
    finally:
        sys.modules.pop("wander_app", None)
    assert list(elsewhere.iterdir()) == []
