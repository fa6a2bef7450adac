"""A warning of a setting that nobody reads names a place of the user's: a line of a file, or of code."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest
from support.modules import forgotten_modules
from support.processes import Processes

from pynenc import Pynenc
from pynenc.conf import unknown


@pytest.fixture(autouse=True)
def nothing_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test hears every warning, whatever was warned of before."""
    monkeypatch.setattr(unknown, "_warned", set())


def _warning(app: Pynenc, key: str) -> warnings.WarningMessage:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        app.orchestrator.count_invocations()
    [found] = [one for one in caught if repr(key) in str(one.message)]
    return found


def test_a_setting_of_a_file_is_shown_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text("store_url = 'memory://'\n\n[task]\nmax_retris = 1\n")
    found = _warning(Pynenc("shop", config_filepath=str(file)), "max_retris")
    assert (found.filename, found.lineno) == (str(file), 4)


@pytest.mark.parametrize("where", ["code", "environment"])
def test_any_other_setting_is_shown_with_the_line_that_used_the_app(
    monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    values: dict[str, object] = {"store_url": "memory://"}
    if where == "code":
        values["lease_secs"] = 1
    else:
        monkeypatch.setenv("PYNENC__LEASE_SECS", "1")
    found = _warning(Pynenc("shop", values), "lease_secs" if where == "code" else "PYNENC__LEASE_SECS")
    assert found.filename == __file__
    assert "count_invocations()" in Path(__file__).read_text().splitlines()[found.lineno - 1]


def test_the_command_line_names_itself_where_no_code_of_the_user_runs(sqlite_env: None, processes: Processes) -> None:
    Path("shop.py").write_text("from pynenc import Pynenc\napp = Pynenc()\n@app.task\ndef f() -> None: ...\n")
    runner = processes.runner("shop", PYNENC__RUNNER_CLS="ThreadRunner", PYNENC__LEASE_SECS="1")
    runner.await_output("pynenc:1: UserWarning: the setting 'PYNENC__LEASE_SECS'")


def test_the_settings_of_a_task_that_does_not_exist_are_named(
    sqlite_env: None, processes: Processes, tmp_path: Path
) -> None:
    Path("shop.py").write_text(
        "from pynenc import Pynenc\n"
        "app = Pynenc(config_values={'task': {'shop.snd': {'priority': 1}, 'shop.send': {'priority': 1},\n"
        "    'elsewhere.other': {'priority': 1}, 'priority': 2}}, config_filepath='more.toml')\n"
        "@app.task\ndef send() -> None: ...\n"
    )
    Path("more.toml").write_text('[task."shopp.send"]\nmax_retries = 1\n')
    runner = processes.runner(
        "shop",
        **{
            "PYNENC__RUNNER_CLS": "ThreadRunner",
            "PYNENC__CONFIGTASK__SHOP#SENT__MAX_RETRIES": "2",
            "PYNENC__CONFIGTASK__SHOP#SEND__MAX_RETRIES": "2",
            "PYNENC__CONFIGTASK__MAX_RETRIES": "2",
        },
    )
    runner.await_output("] started: ")
    warned = [line for line in runner.output().splitlines() if "no such task is known here" in line]
    assert [line.partition("settings of ")[2].partition(":")[0] for line in warned] == [
        "task 'shop.snd' (from config_values)",
        f"task 'shopp.send' (from file {tmp_path / 'more.toml'})",
        "task 'SHOP#SENT' (from environment variable PYNENC__CONFIGTASK__SHOP#SENT__MAX_RETRIES)",
    ]
    assert all(line.endswith("did you mean shop.send?") for line in warned)


def test_a_module_that_uses_the_app_at_its_import_is_named(tmp_path: Path) -> None:
    (tmp_path / "using.py").write_text(
        "from pynenc import Pynenc\napp = Pynenc('u', {'store_url': 'memory://', 'lease_secs': 1})\n\napp.purge()\n"
    )
    with forgotten_modules(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sys.path.insert(0, str(tmp_path))
        import using  # type: ignore[import-not-found]  # noqa: F401
    [found] = [one for one in caught if "'lease_secs'" in str(one.message)]
    assert (found.filename, found.lineno) == (str(tmp_path / "using.py"), 4)
