"""Settings that cannot work are refused with the field, the source and the value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.processes import Processes

from pynenc import Pynenc
from pynenc.conf.masking import masked_url
from pynenc.exceptions import ConfigError, StateBackendError
from pynenc.runner import ThreadRunner


def _run_cli(processes: Processes, *arguments: str, **environment: str) -> tuple[int, str]:
    child = processes.python("-m", "pynenc", *arguments, **environment)
    return child.wait(), child.output()


@pytest.mark.parametrize(
    "spec",
    ["no.such.module", "support.waiting", "support.jobs.app.no_such_name", "./no_such_file.py", "os:system", "../x\\0"],
)
def test_a_wrong_app_spec_ends_with_an_error_that_names_it(sqlite_env: None, processes: Processes, spec: str) -> None:
    code, output = _run_cli(processes, "--app", spec, "show_config")
    assert code == 1
    assert spec in output
    assert "Traceback" not in output


def test_an_app_spec_whose_module_fails_to_import_shows_why(
    sqlite_env: None, processes: Processes, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text("from pynenc import Pynenc\nraise LookupError('broken on purpose')\n")
    code, output = _run_cli(processes, "--app", "broken", "show_config")
    assert code == 1
    assert "broken on purpose" in output


def test_a_module_with_two_apps_needs_the_name_of_one(sqlite_env: None, processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text("from pynenc import Pynenc\none = Pynenc('one')\nother = Pynenc('other')\n")
    code, output = _run_cli(processes, "--app", "two", "show_config")
    assert code == 1
    assert "one" in output
    assert "other" in output
    assert _run_cli(processes, "--app", "two.other", "show_config")[0] == 0


def test_a_dummy_runner_is_not_started(sqlite_env: None, processes: Processes) -> None:
    code, output = _run_cli(processes, "--app", "support.jobs", "runner", "start", PYNENC__RUNNER_CLS="NoSuchRunner")
    assert code == 1
    assert "NoSuchRunner" in output


@pytest.mark.parametrize(
    "url", ["mongodb://localhost/x", "no url at all", "sqlite://", "", "memory://x/y?z"], ids=lambda url: url or "empty"
)
def test_a_wrong_store_url_is_named_with_its_setting(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = Pynenc(app_id=f"app-{abs(hash(url))}", config_values={"store_url": url})
    if not url:
        # Empty is unset: the default store.
        assert app.orchestrator.count_invocations() == 0
        return
    with pytest.raises(ConfigError) as raised:
        app.orchestrator.count_invocations()
    assert "store_url" in str(raised.value)
    # Text that is no URL, or may contain a password, is not repeated.
    assert (masked_url(url) or "not shown") in str(raised.value)


def test_the_password_in_a_store_url_is_masked() -> None:
    app = Pynenc(app_id="masked", config_values={"store_url": "redis://user:s3cr3t-XYZ@localhost:1/0"})
    with pytest.raises(StateBackendError) as raised:
        app.orchestrator.count_invocations()
    assert "localhost:1" in str(raised.value)
    assert "s3cr3t-XYZ" not in str(raised.value)
    assert "s3cr3t-XYZ" not in repr(app.conf)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lease_sec", "soon"),
        ("lease_sec", "-1"),
        ("lease_sec", "nan"),
        ("result_ttl_sec", "-5"),
        ("stop_grace_sec", "-0.1"),
        ("max_payload_bytes", "8MB"),
        ("durability", "sometimes"),
        ("dev_mode_force_sync_tasks", "perhaps"),
    ],
)
def test_a_wrong_value_in_the_environment_names_field_source_and_value(
    field: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"PYNENC__{field.upper()}"
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as raised:
        getattr(Pynenc(app_id=f"app-{field}-{value}").conf, field)
    message = str(raised.value)
    assert field in message
    assert value in message
    assert variable in message or "environment" in message


def test_a_wrong_value_of_a_runner_names_its_class(memory_env: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__CONFIGTHREADRUNNER__MAX_THREADS", "-1")
    with pytest.raises(ConfigError) as raised:
        _ = ThreadRunner(Pynenc()).conf
    for part in ("max_threads", "-1", "ConfigThreadRunner"):
        assert part in str(raised.value)


@pytest.mark.parametrize("values", [{"lease_sec": "x"}, {"lease_sec": []}], ids=str)
def test_a_wrong_value_in_config_values_is_named(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="lease_sec"):
        _ = Pynenc(app_id="values", config_values=values).conf


def test_a_wrong_assignment_is_refused_and_changes_nothing(memory_env: None) -> None:
    conf = Pynenc().conf
    before = conf.lease_sec
    with pytest.raises(ConfigError, match="lease_sec"):
        conf.lease_sec = -1.0
    assert conf.lease_sec == before


def test_a_wrong_value_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('lease_sec = "soon"\n')
    with pytest.raises(ConfigError) as raised:
        _ = Pynenc(app_id="file", config_filepath=str(path)).conf
    for part in ("lease_sec", "soon", "settings.toml"):
        assert part in str(raised.value)


@pytest.mark.parametrize(
    ("name", "text"), [("settings.json", "{not json"), ("settings.toml", "= ="), ("settings.yaml", "a: [")]
)
def test_a_file_that_cannot_be_parsed_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises((ConfigError, ValueError), match="settings"):
        _ = Pynenc(app_id="unparsable", config_filepath=str(tmp_path / name)).conf


def test_a_file_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "settings.ini").write_text("")
    with pytest.raises(ValueError, match=r"settings\.ini"):
        _ = Pynenc(app_id="ini", config_filepath=str(tmp_path / "settings.ini")).conf


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises((ConfigError, OSError, ValueError), match=r"absent\.toml"):
        _ = Pynenc(app_id="absent", config_filepath=str(tmp_path / "absent.toml")).conf
