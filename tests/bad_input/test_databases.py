"""A database that cannot be trusted is refused with its path and the remedy; its content stays unchanged."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from support.processes import Processes

from pynenc import Pynenc
from pynenc.exceptions import StateBackendError


def _open(path: Path) -> Pynenc:
    app = Pynenc(app_id=f"app-{path.name}-{os.urandom(4).hex()}", config_values={"store_url": f"sqlite:///{path}"})
    app.orchestrator.count_invocations()
    return app


@pytest.fixture
def filled(tmp_path: Path, processes: Processes) -> Path:
    """A database with a few hundred finished and waiting invocations, left by processes that have ended."""
    path = tmp_path / "filled.db"
    child = processes.python(
        "-m", "support.programs.fill", PYNENC__STORE_URL=f"sqlite:///{path}", PYNENC__APP_ID="filler"
    )
    assert child.wait() == 0, child.output()
    assert path.stat().st_size > 100_000
    return path


def test_the_default_database_is_made_below_the_working_directory(tmp_path: Path) -> None:
    app = Pynenc(app_id="usual")
    assert app.orchestrator.count_invocations() == 0
    assert (tmp_path / ".pynenc" / "usual.db").is_file()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateBackendError, match="no-such-folder"):
        _open(tmp_path / "no-such-folder" / "deeper" / "store.db")
    assert not (tmp_path / "no-such-folder").exists()


def test_a_folder_that_cannot_be_written_is_named() -> None:
    # /proc refuses new files to everybody, the superuser included.
    with pytest.raises(StateBackendError, match=r"/proc/store\.db"):
        _open(Path("/proc/store.db"))


def test_a_database_that_cannot_be_written_is_named(filled: Path, processes: Processes) -> None:
    filled.chmod(0o444)
    child = processes.python("-m", "support.programs.open_as_nobody", str(filled))
    assert child.wait() == 0, child.output()
    assert "StateBackendError" in child.output()
    assert filled.name in child.output()


def test_a_folder_in_place_of_a_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(StateBackendError, match=r"folder\.db"):
        _open(tmp_path / "folder.db")


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    text = "Dear reader, this is no database.\n" * 200
    path.write_text(text)
    with pytest.raises(StateBackendError, match=r"letter\.txt"):
        _open(path)
    assert path.read_text() == text
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["letter.txt"]


def test_a_database_of_another_application_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE accounts (name TEXT)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StateBackendError, match=r"accounts\.db"):
        _open(path)
    assert path.read_bytes() == before


def _flip_bytes(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        for offset in range(4096 * 4, size - 512, 4096):
            file.seek(offset)
            file.write(os.urandom(512))


def _cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)


def _cut_inside_a_page(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1000)


def _overwrite_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\0" * 100)


@pytest.mark.parametrize("damage", [_flip_bytes, _cut_in_half, _cut_inside_a_page, _overwrite_header])
def test_a_damaged_database_is_refused_and_not_replaced(filled: Path, damage: Callable[[Path], None]) -> None:
    damage(filled)
    before = filled.read_bytes()
    with pytest.raises(StateBackendError) as raised:
        _open(filled)
    assert filled.name in str(raised.value)
    assert filled.read_bytes() == before


def test_a_database_whose_log_is_left_alone_is_not_made_anew(filled: Path, tmp_path: Path) -> None:
    """The main file is gone, its write-ahead log is not: an empty database would hide the loss."""
    (tmp_path / "lost.db-wal").write_bytes(b"\x37\x7f\x06\x82" + bytes(5000))
    with pytest.raises(StateBackendError, match=r"lost\.db"):
        _open(tmp_path / "lost.db")


def test_a_database_of_a_newer_release_is_refused(filled: Path) -> None:
    with sqlite3.connect(filled) as newer:
        newer.execute("PRAGMA user_version = 999")
    newer.close()
    with pytest.raises(StateBackendError, match="999") as raised:
        _open(filled)
    assert "upgrade" in str(raised.value)


def test_a_full_disk_refuses_the_submission_and_loses_nothing(processes: Processes, tmp_path: Path) -> None:
    """In a file system of two megabytes that the child mounts for itself."""
    if shutil.which("unshare") is None:
        raise AssertionError("this test needs unshare, of util-linux")
    mount = tmp_path / "small"
    mount.mkdir()
    child = processes.python("-m", "support.programs.full_disk", str(mount))
    assert child.wait() == 0, child.output()
    assert "nothing lost" in child.output()
