"""An object that cannot be a task is refused at its declaration."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from support.plain import plain
from support.processes import Processes

from pynenc import Pynenc
from pynenc.exceptions import ConfigError, InvalidTaskOptionsError


@pytest.fixture
def app(memory_env: None) -> Pynenc:
    return Pynenc()


def test_a_nested_function_is_refused_by_name(app: Pynenc) -> None:
    def nested_function() -> None: ...

    with pytest.raises(ValueError, match="nested_function"):
        app.task(nested_function)
    assert app.tasks == {}


def test_a_lambda_is_refused(app: Pynenc) -> None:
    with pytest.raises(ValueError, match="lambda"):
        app.task(lambda: None)


def test_a_soft_timeout_that_is_no_less_than_the_timeout_is_refused(app: Pynenc) -> None:
    with pytest.raises(ConfigError, match=r"soft_timeout of .*plain must be below its timeout of 5 s, got 5 \(from"):
        app.task(plain, timeout=5, soft_timeout=5)
    with pytest.raises(ConfigError, match="timeout"):
        app.task(plain, timeout=-1)


class Holder:
    def method(self) -> None: ...


def test_a_method_is_refused_by_name(app: Pynenc) -> None:
    with pytest.raises(ValueError, match="method"):
        app.task(Holder.method)


def test_a_function_of_main_is_refused(sqlite_env: None, processes: Processes, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("from pynenc import Pynenc\napp = Pynenc()\n@app.task\ndef job() -> None: ...\n")
    child = processes.python(str(script))
    assert child.wait() == 1
    assert "RuntimeError" in child.output()
    assert "__main__" in child.output()


@pytest.mark.parametrize("options", [{"retries": 3}, {"max_retry": 1, "queue": "default"}], ids=["one", "among-others"])
def test_an_unknown_option_is_named(app: Pynenc, options: dict[str, Any]) -> None:
    unknown = next(iter(options))
    with pytest.raises(InvalidTaskOptionsError, match=unknown):
        app.task(**options)(plain)
    assert app.tasks == {}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_retries", "many"),
        ("max_retries", -1),
        ("queue", "two words"),
        ("priority", 1000.0),
        ("running_concurrency", "sometimes"),
    ],
)
def test_a_wrong_option_value_names_the_option_and_the_value(app: Pynenc, option: str, value: Any) -> None:
    from pynenc.exceptions import PynencError

    with pytest.raises((PynencError, ValueError)) as raised:
        _ = app.task(**{option: value})(plain).conf
    assert option in str(raised.value)
    assert str(value) in str(raised.value)


def test_key_arguments_that_the_function_does_not_have_are_refused(app: Pynenc) -> None:
    with pytest.raises(Exception, match="colour") as raised:
        _ = app.task(registration_concurrency="keys", key_arguments=("colour",))(plain).conf
    assert type(raised.value).__module__ in ("pynenc.exceptions", "builtins")


def test_an_object_that_is_no_function_is_refused(app: Pynenc) -> None:
    with pytest.raises((TypeError, ValueError)):
        app.task(sys)  # type: ignore[call-overload]
