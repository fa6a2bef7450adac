"""Files in the working folder cannot weaken the settings of the code, and files of other users are refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.processes import child_environment

from pynenc import Pynenc
from pynenc.exceptions import ConfigError, ConfigFileError

OTHER_UID = 12345


def _pyproject(text: str, mode: int = 0o600) -> Path:
    path = Path("pyproject.toml")
    path.write_text(f"[tool.pynenc]\n{text}\n")
    path.chmod(mode)
    return path


def _belongs_to_another(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a file to another user; if only root may do that, become another user instead."""
    if os.geteuid() == 0:
        os.chown(path, OTHER_UID, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: OTHER_UID)


# -- the serializer ----------------------------------------------------------------------------------------------------

UNSAFE = ["PickleSerializer", "JsonPickleSerializer", "SomebodysSerializer"]


@pytest.fixture(params=["pyproject", "config file", "file of the environment", "environment", "class variable"])
def outside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Set a field by each source except the code; return the arguments for `Pynenc`."""

    def put(field: str, value: str) -> dict[str, Any]:
        if request.param == "pyproject":
            _pyproject(f'{field} = "{value}"')
        elif request.param == "environment":
            monkeypatch.setenv(f"PYNENC__{field.upper()}", value)
        elif request.param == "class variable":
            monkeypatch.setenv(f"PYNENC__CONFIGPYNENC__{field.upper()}", value)
        else:
            Path("settings.toml").write_text(f'[pynenc]\n{field} = "{value}"\n')
            if request.param == "config file":
                return {"config_filepath": "settings.toml"}
            monkeypatch.setenv("PYNENC__FILEPATH", "settings.toml")
        return {}

    return put


@pytest.mark.parametrize(
    "code", [{}, {"serializer_cls": "JsonSerializer"}, {"pynenc": {"serializer_cls": "Mine"}}], ids=str
)
@pytest.mark.parametrize("name", UNSAFE)
def test_no_file_or_variable_makes_the_serializer_less_safe(outside: Any, code: dict[str, Any], name: str) -> None:
    given = outside("serializer_cls", name)
    with pytest.raises(ConfigError, match=rf"serializer_cls can only be made safer.*got '{name}' \(from .*allow_ser"):
        Pynenc("x", code, **given).conf


def test_files_and_variables_make_the_serializer_safer(outside: Any) -> None:
    given = outside("serializer_cls", "JsonSerializer")
    assert Pynenc("x", {"serializer_cls": "PickleSerializer"}, **given).conf.serializer_cls == "JsonSerializer"


def test_files_and_variables_may_repeat_the_choice_of_the_code(outside: Any) -> None:
    given = outside("serializer_cls", "PickleSerializer")
    assert Pynenc("x", {"serializer_cls": "PickleSerializer"}, **given).conf.serializer_cls == "PickleSerializer"


def test_the_code_may_allow_another_serializer(outside: Any) -> None:
    given = outside("serializer_cls", "PickleSerializer")
    assert Pynenc("x", {"allow_serializer_override": True}, **given).conf.serializer_cls == "PickleSerializer"


def test_only_the_code_may_allow_another_serializer(outside: Any) -> None:
    given = outside("allow_serializer_override", "true")
    with pytest.raises(ConfigError, match=r"allow_serializer_override must be set in code \(config_values\)"):
        Pynenc("x", **given).conf


def test_assigning_is_code() -> None:
    app = Pynenc("x")
    app.conf.serializer_cls = "PickleSerializer"
    assert app.conf.serializer_cls == "PickleSerializer"


# -- files of others ---------------------------------------------------------------------------------------------------


@pytest.fixture
def as_a_user_with_a_group_of_his_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner of a file is the only user in its group."""
    import grp

    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group(("own", "x", gid, [])))


@pytest.mark.parametrize("mode", [0o602, 0o606, 0o646, 0o666, 0o777])
@pytest.mark.parametrize("how", ["pyproject", "config file", "variable"])
def test_a_config_file_that_others_may_write_is_refused(mode: int, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "pyproject.toml" if how == "pyproject" else "settings.toml"
    Path(name).write_text("")
    Path(name).chmod(mode)
    if how == "variable":
        monkeypatch.setenv("PYNENC__FILEPATH", name)
    with pytest.raises(
        ConfigFileError, match=rf"{name}' can be written by other users \(mode {mode:04o}\).*chmod go-w"
    ):
        Pynenc("x", config_filepath=name if how == "config file" else None).conf


def test_a_config_file_that_a_shared_group_may_write_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import grp

    _pyproject("", 0o660)
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group(("staff", "x", gid, ["alice", "mallory"])))
    with pytest.raises(ConfigFileError, match=r"can be written by the members of its group"):
        Pynenc("x").conf


@pytest.mark.usefixtures("as_a_user_with_a_group_of_his_own")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o664, 0o775])
def test_a_config_file_of_our_own_is_read(mode: int) -> None:
    _pyproject("max_recoveries = 7", mode)
    assert Pynenc("x").conf.max_recoveries == 7


def test_a_config_file_of_another_user_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    path = _pyproject("")
    _belongs_to_another(path, monkeypatch)
    with pytest.raises(ConfigFileError, match=r"belongs to another user \(uid \d+.*chown it, or allow it"):
        Pynenc("x").conf


def test_a_config_file_of_the_user_whose_code_runs_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs as root on a mounted folder, with the modules of the app in it."""
    path = _pyproject("max_recoveries = 7")
    code = Path("mounted_app.py")
    code.write_text("from pynenc import Pynenc\napp = Pynenc('x')\n")
    _belongs_to_another(path, monkeypatch)
    if os.geteuid() == 0:
        os.chown(code, OTHER_UID, -1)
    monkeypatch.syspath_prepend(Path.cwd())
    import importlib

    try:
        assert importlib.import_module("mounted_app").app.conf.max_recoveries == 7
    finally:
        sys.modules.pop("mounted_app", None)


@pytest.mark.parametrize("how", ["code", "environment"])
def test_files_of_others_may_be_allowed_in_code_and_by_the_environment(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pyproject("max_recoveries = 7", 0o666)
    if how == "environment":
        monkeypatch.setenv("PYNENC__ALLOW_FOREIGN_FILES", "1")
    app = Pynenc("x", {"allow_foreign_files": True} if how == "code" else None)
    assert app.conf.max_recoveries == 7
    assert app.conf.allow_foreign_files


def test_a_file_cannot_allow_itself() -> None:
    _pyproject("allow_foreign_files = true", 0o666)
    with pytest.raises(ConfigFileError, match="can be written by other users"):
        Pynenc("x").conf
    _pyproject("allow_foreign_files = true")
    with pytest.raises(ConfigError, match="allow_foreign_files must be set in code"):
        Pynenc("x").conf


# -- the database ------------------------------------------------------------------------------------------------------


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a database that an app of this user has created in the default folder."""
    app = Pynenc("shop")
    app._runtime.store.close()
    path = Path(".pynenc/shop.db")
    assert path.is_file()
    Pynenc._clear_instances()
    return path


def _open(**values: Any) -> Pynenc:
    app = Pynenc("shop", values)
    assert app.orchestrator.count_invocations() == 0
    app._runtime.store.close()
    return app


def test_a_database_of_our_own_is_opened(database: Path) -> None:
    _open()


@pytest.mark.parametrize("which", ["file", "folder", "wal"])
@pytest.mark.parametrize("what", ["mode", "owner"])
def test_a_database_that_others_have_a_hand_in_is_refused(
    database: Path, which: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = {"file": database, "folder": database.parent, "wal": database.with_name("shop.db-wal")}[which]
    if which == "wal":
        path.touch()
    if what == "mode":
        path.chmod(0o777)
    else:
        _belongs_to_another(path, monkeypatch)
    with pytest.raises(ConfigError, match=r"database .*(belongs to another user|can be written by other users)"):
        _open()
    _open(allow_foreign_files=True)


def test_a_database_that_everybody_may_read_is_named(database: Path, capfd: pytest.CaptureFixture[str]) -> None:
    database.chmod(0o644)
    _open()
    error = capfd.readouterr().err
    assert "can be read by every user of this machine (mode 0644)" in error
    assert "chmod 600" in error
    assert "umask 077" in error


def test_a_new_database_is_for_its_owner_alone(database: Path) -> None:
    assert database.stat().st_mode & 0o077 == 0
    assert database.parent.stat().st_mode & 0o077 == 0


# -- the search for an app ---------------------------------------------------------------------------------------------


def _pynenc(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pynenc", *arguments],
        env=child_environment({"PYNENC__STORE_URL": "memory://"}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_show_config_without_an_app_imports_the_only_candidate_and_says_which() -> None:
    Path("only.py").write_text("from pynenc import Pynenc\napp = Pynenc('x')\n")
    Path("script.py").write_text("# mentions Pynenc\nopen('ran', 'w').close()\n")
    done = _pynenc("show_config")
    assert done.returncode == 0, done.stderr
    assert "no --app was given: using only:app" in done.stderr
    assert not Path("ran").exists()


def test_show_config_without_an_app_imports_none_of_several() -> None:
    for name in ("tasks", "other"):
        Path(f"{name}.py").write_text(
            f"from pynenc import Pynenc\napp = Pynenc('x')\nopen('{name}-ran', 'w').close()\n"
        )
    done = _pynenc("show_config")
    assert done.returncode == 1
    assert "2 files" in done.stderr
    assert "other.py, tasks.py" in done.stderr
    assert not list(Path().glob("*-ran"))
