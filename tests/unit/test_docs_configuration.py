"""The guide to the configuration is true: its tables are the declarations, its examples work."""

from __future__ import annotations

import html
import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.processes import child_environment

import pynenc.conf
from pynenc import Pynenc
from pynenc.conf.base import ConfigBase, Setting, describe, fields_of, offered
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.conf.config_runner import ConfigThreadRunner
from pynenc.conf.config_task import ConfigTask
from pynenc.exceptions import ConfigError
from pynenc.identifiers import TaskId
from pynenc.util.subclasses import all_subclasses

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "guides" / "configuration.md").read_text(encoding="utf-8")
TABLES = {
    name: [line.strip("| \n") for line in body.splitlines() if line.startswith("| `")]
    for name, body in re.findall(r"<!-- settings: pynenc\.conf\.\w+\.(\w+) -->\n(.*?)<!-- end -->", GUIDE, re.DOTALL)
}
PAY = TaskId("my_project.tasks", "pay")


def _classes() -> dict[str, type[ConfigBase]]:
    for module in pkgutil.iter_modules(pynenc.conf.__path__):
        importlib.import_module(f"pynenc.conf.{module.name}")
    return {cls.__name__: cls for cls in all_subclasses(ConfigBase) if cls.__module__.startswith("pynenc.conf.")}


def _block(language: str) -> str:
    [block] = re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    return str(block)


def _cells(line: str) -> tuple[str, ...]:
    return tuple(html.unescape(cell).strip("` ") for cell in re.split(r" ?(?<!\\)\| ?", line))


def test_every_class_that_is_used_has_a_table() -> None:
    classes = _classes()
    mixins = {base.__name__ for name in TABLES for base in classes[name].__mro__ if issubclass(base, ConfigBase)}
    # A class without settings of its own is another name for its parents.
    aliases = {
        name for name, cls in classes.items() if not any(isinstance(each, Setting) for each in vars(cls).values())
    }
    without_effect = {name for name, cls in classes.items() if not offered(cls)}
    assert set(classes) <= set(TABLES) | mixins | aliases | without_effect


def test_the_appendix_has_every_setting_without_effect_and_why() -> None:
    [appendix] = re.findall(r"<!-- settings without effect -->\n(.*?)<!-- end -->", GUIDE, re.DOTALL)
    rows = [_cells(line.strip("| ")) for line in appendix.splitlines() if line.startswith("| `")]
    declared = {
        (field, name)
        for name, cls in _classes().items()
        for field, each in vars(cls).items()
        if isinstance(each, Setting) and each.without_effect
    }
    assert {(field, name) for field, name, _ in rows} == declared
    assert all(why for _, _, why in rows)


@pytest.mark.parametrize("name", TABLES)
def test_every_row_has_name_default_unit_and_meaning_of_a_setting_and_no_setting_is_missing(name: str) -> None:
    cls = _classes()[name]
    defaults = {field: value for field, value, *_ in describe(cls())}
    fields = {field: setting for field, setting in fields_of(cls).items() if field in offered(cls)}
    declared = [(field, defaults[field], setting.unit, setting.doc) for field, setting in fields.items()]
    written = [
        (field, default, unit, meaning.replace("\\|", "|"))
        for field, default, unit, _, meaning in map(_cells, TABLES[name])
    ]
    assert written == declared


def test_the_script_that_writes_the_tables_would_change_nothing() -> None:
    script = ROOT / "scripts" / "config_guide.py"
    done = subprocess.run([sys.executable, str(script), "--check"], env=child_environment(), timeout=60, check=False)
    assert done.returncode == 0
    assert f"python {script.relative_to(ROOT)}" in GUIDE


def _claims(pynenc_conf: ConfigPynenc, runner: ConfigThreadRunner, pay: ConfigTask, other: ConfigTask) -> None:
    """The settings of all examples."""
    assert pynenc_conf.store_url == "sqlite:///var/shop.db"
    assert pynenc_conf.lease_sec == 5
    assert runner.max_threads == 32
    assert pay.max_retries == 3
    assert other.max_retries == 1
    assert pay.retry_for == (ConnectionError,)
    assert other.retry_for == ()


def _resolved(**arguments: Any) -> tuple[ConfigPynenc, ConfigThreadRunner, ConfigTask, ConfigTask]:
    other = TaskId("my_project.tasks", "refund")
    return (
        ConfigPynenc(**arguments),
        ConfigThreadRunner(**arguments),
        ConfigTask(**arguments, task_id=PAY),
        ConfigTask(**arguments, task_id=other),
    )


def test_the_example_for_pyproject_works() -> None:
    tomllib.loads(_block("toml"))
    Path("pyproject.toml").write_text(_block("toml"))
    _claims(*_resolved())


def test_the_example_in_yaml_works(tmp_path: Path) -> None:
    assert yaml.safe_load(_block("yaml"))
    (tmp_path / "settings.yaml").write_text(_block("yaml"))
    _claims(*_resolved(config_filepath=str(tmp_path / "settings.yaml")))


@pytest.mark.parametrize("spelling", re.findall(r"`(PYNENC__CONFIGTASK__MY_PROJECT\S+)`", GUIDE))
def test_the_examples_for_the_environment_work(spelling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in re.findall(r"export (\w+)=(\S+)", _block("sh")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(spelling, "3")
    monkeypatch.setenv(spelling.replace("MAX_RETRIES", "RETRY_FOR"), "ConnectionError")
    _claims(*_resolved())


def test_the_example_in_code_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "example_of_the_guide.py").write_text(_block("python"))
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("example_of_the_guide")
    monkeypatch.delitem(sys.modules, "example_of_the_guide")
    app: Pynenc = module.app
    values = {"config_values": app.config_values}
    _claims(app.conf, ConfigThreadRunner(**values), module.pay.conf, ConfigTask({"max_retries": 1}))
    assert app.app_id == "shop"


def test_the_error_that_the_guide_shows_is_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _block("text").strip()
    monkeypatch.setenv("PYNENC__CONFIGTHREADRUNNER__MAX_THREADS", "-1")
    with pytest.raises(ConfigError) as raised:
        ConfigThreadRunner()
    assert str(raised.value) == shown
