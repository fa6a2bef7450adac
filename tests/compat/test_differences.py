"""The page "Differences from pynenc" is true: its settings, its defaults, and its statements about this package."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pynenc import Pynenc
from pynenc.conf.base import describe
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.conf.config_runner import ConfigRunner
from pynenc.conf.config_task import ConfigTask
from pynenc.exceptions import (
    ConfigError,
    InvocationConcurrencyControlledError,
    NotOfferedError,
    PayloadTooLargeError,
    RemoteError,
)
from pynenc.invocation import InvocationStatus
from pynenc.testing import isolated

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "differences-from-pynenc.md").read_text()
ROWS = [re.split(r" ?(?<!\\)\| ?", line.strip("| ")) for line in PAGE.splitlines() if re.match(r"\| (?!what|--)", line)]
SETTINGS = [found for row in ROWS for found in re.findall(r"`(\w+)` \(`([^`]*)`\)", row[-1])]

app = Pynenc("differences", {"store_url": "memory://"})
runs: list[str] = []


class Unregistered(Exception):
    """Defined in the module of the task, so it comes back as itself."""


@app.task
def fail(kind: str) -> None:
    runs.append(kind)
    # A class that no process can find by the module of the task.
    raise type("Hidden", (Exception,), {})("hidden") if kind == "hidden" else Unregistered(kind)


@app.task(running_concurrency="task")
def alone() -> str:
    return "alone"


@app.task
def take(text: str) -> int:
    return len(text)


def test_every_setting_of_the_page_exists_with_that_default() -> None:
    assert len(SETTINGS) > 15
    defaults: dict[str, set[str]] = {}
    for conf in (ConfigPynenc(), ConfigRunner(), ConfigTask()):
        for name, value, *_ in describe(conf):
            defaults.setdefault(name, set()).add(value)
    assert [
        (name, value) for name, value in SETTINGS if value.strip("'") not in {one.strip("'") for one in defaults[name]}
    ] == []


def test_every_row_of_the_page_says_what_both_do() -> None:
    assert len(ROWS) > 20
    assert all(len(row) in (3, 4) and all(row[:3]) for row in ROWS), [row for row in ROWS if len(row) not in (3, 4)]


def test_an_app_that_names_no_store_has_a_file(tmp_path: Path) -> None:
    assert Pynenc("named-nothing")._runtime.store.url.endswith("/.pynenc/named-nothing.db")


def test_the_same_id_and_settings_give_the_same_object_and_others_another() -> None:
    first = Pynenc("one-object", {"store_url": "memory://"})
    assert Pynenc("one-object", {"store_url": "memory://"}) is first
    assert Pynenc("one-object", {"store_url": "memory://", "lease_sec": 3.0}) is not first


def test_false_in_the_environment_is_false(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__DEV_MODE_FORCE_SYNC_TASKS", "False")
    assert ConfigPynenc().dev_mode_force_sync_tasks is False


def test_only_code_may_choose_a_serializer_that_runs_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__SERIALIZER_CLS", "PickleSerializer")
    with pytest.raises(ConfigError, match="can only be made safer"):
        _ = Pynenc("serializer-by-environment").conf


def test_an_exception_comes_back_as_its_class_or_names_it() -> None:
    with isolated(app) as test:
        known, hidden = fail("known"), fail("hidden")
        test.drain()
        with pytest.raises(Unregistered, match="known"):
            _ = known.result
        with pytest.raises(RemoteError, match="Hidden"):
            _ = hidden.result


def test_a_payload_above_the_limit_is_refused_at_the_call() -> None:
    with isolated(app), pytest.raises(PayloadTooLargeError, match="max_payload_bytes"):
        take("x" * (8 * 1024 * 1024 + 1))


def test_a_call_that_running_concurrency_drops_raises_a_key_error() -> None:
    with isolated(app):
        first, second = alone(), alone()
        [claimed] = app.orchestrator.get_invocations_to_run(1)
        assert list(app.orchestrator.get_invocations_to_run(1)) == []
        assert second.status is InvocationStatus.CONCURRENCY_CONTROLLED_FINAL
        with pytest.raises(KeyError) as raised:
            _ = second.result
        assert isinstance(raised.value, InvocationConcurrencyControlledError)
        claimed.run()
        assert first.result == "alone"


def test_in_dev_mode_a_failure_is_kept() -> None:
    runs.clear()
    with isolated(app, dev_mode_force_sync_tasks=True):
        invocation: Any = fail("once")
        for _ in range(3):
            with pytest.raises(Unregistered):
                _ = invocation.result
    assert runs == ["once"]


def test_a_queued_invocation_can_be_cancelled() -> None:
    with isolated(app):
        invocation: Any = take("a")
        assert invocation.cancel()
        assert invocation.status is InvocationStatus.CANCELLED


def test_a_missing_feature_raises_an_error() -> None:
    from pynenc import PynencBuilder

    builder: Any = PynencBuilder()
    uses: list[Any] = [
        lambda: app.trigger.emit_event("sold"),
        lambda: app.workflow(take.func),
        lambda: builder.mongo("mongodb://host"),
        lambda: builder.rabbitmq_broker(),
        lambda: builder.mongo_trigger(),
        lambda: builder.mongo_client_data_store(),
    ]
    for use in uses:
        with pytest.raises(NotOfferedError, match="this build"):
            use()
    assert hasattr(builder, "mongo")
