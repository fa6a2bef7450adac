"""Settings of tasks: the decorator, and the sources for a single task."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pynenc.conf.config_task import ConcurrencyControlType, ConfigTask
from pynenc.exceptions import ConfigError, RetryError
from pynenc.identifiers import TaskId

TASK = TaskId("shop.orders.jobs", "pay")
BY_ID = "PYNENC__CONFIGTASK__SHOP#ORDERS#JOBS#PAY__MAX_RETRIES"
BY_MODULE = "PYNENC__CONFIGTASK__SHOP.ORDERS.JOBS#PAY__MAX_RETRIES"


def _conf(
    options: dict[str, Any] | None = None,
    *,
    values: dict[str, Any] | None = None,
    file: Path | None = None,
    task: TaskId | None = TASK,
) -> ConfigTask:
    return ConfigTask(values, None if file is None else str(file), task_id=task, task_options=options)


def _section(value: int, own: int | None = None) -> dict[str, Any]:
    own_section = {} if own is None else {str(TASK): {"max_retries": own}}
    return {"max_retries": value - 1, "task": {"max_retries": value, **own_section}}


def test_the_decorator_beats_the_default_and_all_that_the_app_was_given_in_code() -> None:
    assert _conf().max_retries == 0
    assert _conf(values=_section(3)).max_retries == 3
    assert _conf(values=_section(3, own=4)).max_retries == 4
    conf = _conf({"max_retries": 5}, values=_section(3, own=4))
    assert (conf.max_retries, conf.source_of("max_retries")) == (5, f"the decorator of task {TASK}")


def test_files_and_the_environment_beat_the_decorator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options = {"max_retries": 5}
    Path("pyproject.toml").write_text("[tool.pynenc]\nmax_retries = 6\n")
    assert _conf(options).max_retries == 6
    Path("pyproject.toml").write_text("[tool.pynenc.task]\nmax_retries = 7\n")
    assert _conf(options).max_retries == 7
    file = tmp_path / "settings.json"
    file.write_text('{"max_retries": 8}')
    assert _conf(options, file=file).max_retries == 8
    for value, variable in enumerate(
        ("PYNENC__MAX_RETRIES", "PYNENC__CONFIGTASK__MAX_RETRIES", BY_ID, BY_MODULE), start=10
    ):
        monkeypatch.setenv(variable, str(value))
        conf = _conf(options, file=file)
        assert (conf.max_retries, conf.source_of("max_retries")) == (value, f"environment variable {variable}")


@pytest.mark.parametrize("kind", ["pyproject.toml", "toml", "json", "yaml"])
def test_the_section_of_a_task_beats_the_rest_of_its_file_and_holds_for_that_task_only(
    kind: str, tmp_path: Path
) -> None:
    own = {"max_retries": 9, "retry_for": ["KeyError"], "running_concurrency": "task"}
    values = {"max_retries": 1, "task": {"max_retries": 2, str(TASK): own}}
    toml = (
        'max_retries = 1\n[{0}task]\nmax_retries = 2\n[{0}task."shop.orders.jobs.pay"]\nmax_retries = 9\n'
        'retry_for = ["KeyError"]\nrunning_concurrency = "task"\n'
    )
    file: Path | None = tmp_path / f"settings.{kind}"
    if kind == "pyproject.toml":
        file = None
        Path(kind).write_text("[tool.pynenc]\n" + toml.format("tool.pynenc."))
    elif kind == "toml":
        (tmp_path / "settings.toml").write_text(toml.format(""))
    else:
        # JSON is YAML too.
        (tmp_path / f"settings.{kind}").write_text(json.dumps(values))
    conf = _conf(file=file)
    assert (conf.max_retries, conf.retry_for, conf.running_concurrency) == (
        9,
        (KeyError,),
        ConcurrencyControlType.TASK,
    )
    assert "section 'task', 'shop.orders.jobs.pay'" in conf.source_of("max_retries")
    other = _conf(file=file, task=TaskId("shop.orders.jobs", "refund"))
    assert (other.max_retries, other.retry_for) == (2, ())
    assert _conf(file=file, task=None).max_retries == 2


def test_the_section_of_a_task_loses_to_a_stronger_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    weak, strong = tmp_path / "weak.json", tmp_path / "strong.json"
    weak.write_text(json.dumps(_section(3, own=4)))
    strong.write_text('{"max_retries": 7}')
    monkeypatch.setenv("PYNENC__FILEPATH", str(strong))
    assert _conf(file=weak).max_retries == 7


@pytest.mark.parametrize("variable", [BY_ID, BY_MODULE])
def test_the_environment_accepts_both_spellings_of_a_task(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "6")
    assert _conf({"max_retries": 5}).max_retries == 6
    assert _conf(task=TaskId("shop.orders.jobs", "refund")).max_retries == 0
    assert _conf(task=None).max_retries == 0


def test_an_option_of_one_task_does_not_reach_another() -> None:
    values: dict[str, Any] = {}
    assert _conf({"max_retries": 5}, values=values).max_retries == 5
    assert _conf(values=values, task=TaskId("shop", "refund")).max_retries == 0
    assert values == {}


# -- exceptions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "classes"),
    [
        ((KeyError, OSError), (KeyError, OSError)),
        ([KeyError], (KeyError,)),
        ("KeyError", (KeyError,)),
        ("builtins.KeyError, OSError,", (KeyError, OSError)),
        (["KeyError", "json.JSONDecodeError"], (KeyError, json.JSONDecodeError)),
        ("pynenc.exceptions.RetryError", (RetryError,)),
        ("", ()),
        ((), ()),
        ((KeyboardInterrupt,), (KeyboardInterrupt,)),
    ],
    ids=str,
)
def test_exceptions_are_classes_or_their_names(given: Any, classes: tuple[type[BaseException], ...]) -> None:
    assert _conf({"retry_for": given}).retry_for == classes


def test_exceptions_in_the_environment_are_names_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BY_MODULE.replace("MAX_RETRIES", "RETRY_FOR"), "TimeoutError, json.JSONDecodeError")
    assert _conf().retry_for == (TimeoutError, json.JSONDecodeError)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("NoSuchError", "must name exception classes that can be imported, and 'NoSuchError' cannot"),
        ("no.such.module.Error", "cannot"),
        ("json.loads", "must be exception classes, and 'json.loads' is none"),
        ("print", "must be exception classes"),
        ([int], "must be exception classes"),
        ([KeyError("x")], "must be exception classes"),
        (5, "must be exception classes, or their names"),
        (KeyError, "must be exception classes, or their names"),
    ],
    ids=str,
)
def test_a_name_of_no_exception_is_refused(given: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as raised:
        _conf({"retry_for": given})
    assert str(raised.value).startswith("ConfigTask.retry_for must ")
    assert str(raised.value).endswith(f"(from the decorator of task {TASK})")


def test_naming_an_exception_imports_its_module_and_nothing_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "errors_of_the_shop.py").write_text("class Sold(Exception): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    conf = _conf({"retry_for": "errors_of_the_shop.Sold"})
    assert conf.retry_for == (sys.modules["errors_of_the_shop"].Sold,)
    assert ("retry_for", "errors_of_the_shop.Sold") in [row[:2] for row in _described(conf)]
    monkeypatch.delitem(sys.modules, "errors_of_the_shop")


def _described(conf: ConfigTask) -> Any:
    from pynenc.conf.base import describe

    return describe(conf)


# -- the other fields --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_retries", -1),
        ("max_retries", "often"),
        ("running_concurrency", "sometimes"),
        ("registration_concurrency", 1),
        ("key_arguments", 5),
        ("on_diff_non_key_args_raise", "perhaps"),
        ("queue", ""),
        ("queue", "two words"),
        ("priority", 101),
        ("priority", "high"),
        ("priority", float("nan")),
        ("parallel_batch_size", -1),
    ],
)
def test_an_option_that_cannot_work_names_the_task_that_it_was_given_to(field: str, value: Any) -> None:
    with pytest.raises(ConfigError) as raised:
        _conf({field: value})
    assert str(raised.value).startswith(f"ConfigTask.{field} must ")
    assert str(raised.value).endswith(f"got {value!r} (from the decorator of task {TASK})")


@pytest.mark.parametrize("text", ["keys", "KEYS", "Keys", ConcurrencyControlType.KEYS])
def test_a_mode_is_a_member_or_its_text(text: str) -> None:
    assert _conf({"running_concurrency": text}).running_concurrency is ConcurrencyControlType.KEYS


def test_key_arguments_are_names_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _conf({"key_arguments": ["b", "a"]}).key_arguments == ("b", "a")
    monkeypatch.setenv("PYNENC__CONFIGTASK__KEY_ARGUMENTS", "b, a")
    assert _conf().key_arguments == ("b", "a")
