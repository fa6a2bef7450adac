"""The files of a SQLite store in use: backups, and cleaned folders."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.processes import Processes
from support.waiting import wait_until
from support.worlds import STORES, load_jobs, set_environment

below_a_short_path = pytest.mark.alone
"""The folder of a worker of pytest-xdist leaves no room for the name of a socket, so the sockets are elsewhere."""


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(_private(tmp_path / "run")))
    set_environment(monkeypatch, tmp_path, next(store for store in STORES if store.name == "sqlite"))
    return load_jobs()


def _private(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    return folder


@contextmanager
def _load(jobs: Any) -> Iterator[list[str]]:
    """Commit without a pause; return the ids of accepted calls."""
    over, accepted = threading.Event(), list[str]()

    def submit() -> None:
        while not over.is_set():
            accepted.append(jobs.basics.add(1, 2).invocation_id)

    thread = threading.Thread(target=submit)
    thread.start()
    try:
        yield accepted
    finally:
        over.set()
        thread.join()


_VACUUM_INTO = "database.execute('VACUUM INTO ?', (copy,))"
# As `.backup` of the shell, which copies 100 pages at a time, within a read transaction.
_BACKUP_OF_A_SNAPSHOT = """
database.execute("BEGIN")
database.execute("SELECT count(*) FROM sqlite_schema")
database.backup(sqlite3.connect(copy), pages=100, sleep=0.001)
"""


@pytest.mark.parametrize("backup", [_VACUUM_INTO, _BACKUP_OF_A_SNAPSHOT], ids=["vacuum", "backup"])
def test_the_backups_of_the_guide_end_under_load(processes: Processes, jobs: Any, tmp_path: Path, backup: str) -> None:
    path, copy = tmp_path / "store.db", tmp_path / "copy.db"
    # Much larger than the amount that is copied at once.
    jobs.payloads.of_str.parallelize([("x" * 20_000,)] * 100)
    with _load(jobs) as accepted:
        wait_until(lambda: len(accepted) > 20, "the load flows")
        before = len(accepted)
        # In a separate process: closing a file releases all locks of the process on it.
        connect = f"database, copy = sqlite3.connect({str(path)!r}, isolation_level=None), {str(copy)!r}"
        assert processes.python("-c", f"import sqlite3\n{connect}\n{backup}").wait(60) == 0, processes.logs()
        so_far = len(accepted)
        wait_until(lambda: len(accepted) > so_far, "the load still flows")
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (known,) = database.execute("SELECT count(*) FROM invocation").fetchone()
    assert known >= 100 + before


def _sockets(folder: Path) -> int:
    return len(list(folder.rglob("*.sock")))


@below_a_short_path
def test_notification_sockets_are_bound_again_after_their_folder_was_cleaned(
    processes: Processes, jobs: Any, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    processes.started_runner(PYNENC__RUNNER_CLS="ThreadRunner")
    assert jobs.basics.add(1, 2).get_result(timeout=60) == 3
    wait_until(lambda: _sockets(run) == 2, "runner and client have their sockets in the runtime folder")
    shutil.rmtree(run / "pynenc")
    wait_until(lambda: _sockets(run) == 2, "both bind them again, in one folder")
    assert len({socket.parent for socket in run.rglob("*.sock")}) == 1
    assert jobs.basics.add(3, 4).get_result(timeout=60) == 7


@below_a_short_path
@pytest.mark.parametrize("runtime", ["", "another"])
def test_processes_with_different_runtime_folders_bind_their_sockets_in_one_folder(
    processes: Processes, jobs: Any, tmp_path: Path, runtime: str
) -> None:
    assert str(jobs.basics.add(1, 2).status) == "registered"
    other = str(_private(tmp_path / runtime)) if runtime else ""
    processes.started_runner(PYNENC__RUNNER_CLS="ThreadRunner", XDG_RUNTIME_DIR=other)
    wait_until(lambda: _sockets(tmp_path / "run") == 2, "both sockets are in the folder that the database names")
    assert jobs.basics.add(3, 4).get_result(timeout=60) == 7
