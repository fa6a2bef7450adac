"""Documented features of pynenc, one small test each: sources of settings, the builder, logging."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from pynenc import ConcurrencyControlType, Pynenc, PynencBuilder
from pynenc.conf.base import ConfigBase
from pynenc.conf.config_broker import ConfigBroker
from pynenc.conf.config_pynenc import ArgumentPrintMode, ConfigPynenc
from pynenc.conf.config_runner import ConfigRunner, ConfigThreadRunner
from pynenc.conf.config_task import ConfigTask
from pynenc.exceptions import ConfigError, ConfigMultiInheritanceError
from pynenc.identifiers import TaskId
from pynenc.runner import (
    DummyRunner,
    MultiThreadRunner,
    PersistentProcessRunner,
    ProcessRunner,
    ThreadRunner,
)


def pack(parcel: str, tape: int = 1) -> str:
    return parcel * tape


PACK = TaskId(__name__, "pack")


class _Field:
    """Behaves like a field of the library that pynenc's settings are declared with."""

    def __init__(self, default: Any) -> None:
        self.default_value = default


class ConfigDepot(ConfigBase):
    doors = _Field(2)


class ConfigYard(ConfigBase):
    doors = _Field(3)


class ConfigDepotRunner(ConfigRunner):
    depot_name = _Field("north")


# -- sources -------------------------------------------------------------------------------------------------------


def test_settings_are_given_in_code_by_class_or_for_all() -> None:
    values: dict[str, Any] = {"max_threads": 3, "threadrunner": {"max_threads": 5}, "runner": {"min_parallel_slots": 2}}
    assert ConfigThreadRunner(values).max_threads == 5
    assert ConfigThreadRunner(values).min_parallel_slots == 2
    assert ConfigThreadRunner({"max_threads": 3}).max_threads == 3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("conf.toml", 'logging_level = "error"\n[broker]\nqueues = ["a", "b"]\n'),
        ("conf.json", '{"logging_level": "error", "broker": {"queues": ["a", "b"]}}'),
        ("conf.yaml", "logging_level: error\nbroker:\n  queues: [a, b]\n"),
        ("conf.yml", "logging_level: error\nbroker:\n  queues: a, b\n"),
        ("pyproject.toml", '[tool.pynenc]\nlogging_level = "error"\n[tool.pynenc.broker]\nqueues = ["a", "b"]\n'),
    ],
)
@pytest.mark.parametrize("way", ["argument", "environment", "class"])
def test_settings_are_read_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, way: str
) -> None:
    file = tmp_path / "elsewhere" / name
    file.parent.mkdir()
    file.write_text(text)
    path = str(file) if way == "argument" else None
    if way == "environment":
        monkeypatch.setenv("PYNENC__FILEPATH", str(file))
    elif way == "class":
        monkeypatch.setenv("PYNENC__CONFIGBROKER__FILEPATH", str(file))
        monkeypatch.setenv("PYNENC__CONFIGPYNENC__FILEPATH", str(file))
    assert ConfigBroker({}, path).queues == ("default", "a", "b")
    assert ConfigPynenc({}, path).logging_level == "error"


def test_pyproject_of_the_working_folder_is_read(tmp_path: Path) -> None:
    Path("pyproject.toml").write_text('[tool.pynenc]\napp_id = "from-pyproject"\n')
    assert Pynenc().app_id == "from-pyproject"


def test_the_environment_wins_for_all_or_for_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__MAX_THREADS", "7")
    assert ConfigThreadRunner({"max_threads": 3}).max_threads == 7
    monkeypatch.setenv("PYNENC__CONFIGTHREADRUNNER__MAX_THREADS", "9")
    assert ConfigThreadRunner({"max_threads": 3}).max_threads == 9
    monkeypatch.setenv("PYNENC__QUEUES", "a, b")
    monkeypatch.setenv("PYNENC__ENFORCE_MAX_PROCESSES", "yes")
    assert ConfigRunner().queues == ("a", "b")


def test_assignment_wins_over_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__LOGGING_LEVEL", "error")
    app = Pynenc("feature-assigned", {"logging_level": "debug", "store_url": "memory://"})
    assert app.conf.logging_level == "error"
    app.conf.logging_level = "warning"
    assert app.conf.logging_level == "warning"
    with pytest.raises(ConfigError, match="logging_level"):
        app.conf.logging_level = "loud"


def test_a_task_is_configured_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tasks.toml"
    file.write_text(f'[task]\nmax_retries = 1\n[task."{PACK}"]\nmax_retries = 4\nrunning_concurrency = "task"\n')
    conf = ConfigTask({}, str(file), task_id=PACK, task_options={"max_retries": 9})
    assert (conf.max_retries, conf.running_concurrency) == (4, ConcurrencyControlType.TASK)
    assert ConfigTask({}, str(file), task_id=TaskId("other", "task")).max_retries == 1
    monkeypatch.setenv(f"PYNENC__CONFIGTASK__{PACK.module.upper()}#PACK__MAX_RETRIES", "5")
    assert ConfigTask({}, str(file), task_id=PACK).max_retries == 5


def test_exceptions_are_named_in_files() -> None:
    conf = ConfigTask({"task": {"retry_for": ["ConnectionError", "json.JSONDecodeError"]}})
    assert conf.retry_for == (ConnectionError, json.JSONDecodeError)


def test_a_class_of_ones_own_has_fields_and_a_section(monkeypatch: pytest.MonkeyPatch) -> None:
    depot: Any = ConfigDepot({"depot": {"doors": 5}})
    assert depot.doors == 5
    monkeypatch.setenv("PYNENC__CONFIGDEPOT__DOORS", "6")
    depot = ConfigDepot()
    assert depot.doors == 6
    both = type("ConfigBoth", (ConfigDepot, ConfigYard), {})
    with pytest.raises(ConfigMultiInheritanceError, match="doors"):
        both()
    # Everything else works beside it.
    assert PynencBuilder().memory().max_pending_seconds(9).build().conf.max_pending_seconds == 9


def test_a_runner_of_ones_own_has_settings_of_its_own() -> None:
    class DepotRunner(ThreadRunner):
        @property
        def conf(self) -> Any:
            return ConfigDepotRunner(self.app.config_values, self.app.config_filepath)

    app = Pynenc("feature-depot", {"store_url": "memory://", "depotrunner": {"depot_name": "south"}})
    assert DepotRunner(app).conf.depot_name == "south"


def test_the_app_accepts_both_constructors() -> None:
    assert Pynenc(app_id="feature-by-id").app_id == "feature-by-id"
    assert Pynenc({"app_id": "feature-by-values"}).app_id == "feature-by-values"
    assert Pynenc(config_values={"app_id": "feature-by-name"}).config_values["app_id"] == "feature-by-name"


def test_the_class_names_of_components_choose_the_store() -> None:
    names = {"orchestrator_cls": "MemOrchestrator", "broker_cls": "MemBroker", "state_backend_cls": "MemStateBackend"}
    app = Pynenc("feature-components", names)
    assert app._runtime.store.kind == "memory"
    assert type(app.broker).__name__ == "MemBroker"


# -- the builder ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "runner"),
    [
        (lambda b: b.memory().thread_runner(min_threads=1, max_threads=2), ThreadRunner),
        (lambda b: b.memory(), DummyRunner),
        (lambda b: b.sqlite("depot.db").process_runner(), ProcessRunner),
        (lambda b: b.sqlite("depot.db").multi_thread_runner(min_threads=1, max_threads=2), MultiThreadRunner),
        (
            lambda b: b.sqlite(sqlite_db_path="depot.db").persistent_process_runner(num_processes=2),
            PersistentProcessRunner,
        ),
        (lambda b: b.redis(url="redis://127.0.0.1:1/0").dummy_runner(), DummyRunner),
    ],
)
def test_the_builder_chooses_store_and_runner(build: Any, runner: type) -> None:
    app = build(PynencBuilder().app_id("feature-built")).build()
    assert app.app_id == "feature-built"
    assert type(app.runner) is runner


def test_the_builder_collects_everything_else() -> None:
    app = (
        PynencBuilder()
        .app_id("feature-everything")
        .memory()
        .mem_client_data_store(min_size_to_cache=10, local_cache_size=5)
        .mem_trigger(scheduler_interval_seconds=10, enable_scheduler=False)
        .trigger_task_modules({"json", "math"})
        .dev_mode(force_sync_tasks=False)
        .logging_level("debug")
        .logging_stream("stdout")
        .logging_format("json")
        .logging_colors(use_colors=False)
        .runner_tuning(
            runner_loop_sleep_time_sec=0.02, invocation_wait_results_sleep_time_sec=0.03, min_parallel_slots=2
        )
        .task_control(blocking_control=True, queue_timeout_sec=0.2)
        .serializer_json()
        .concurrency_control(running_concurrency="task", registration_concurrency=ConcurrencyControlType.ARGUMENTS)
        .max_pending_seconds(9)
        .argument_print_mode("KEYS", truncate_length=10)
        .custom_config(print_arguments=True)
        .thread_runner()
        .build()
    )
    conf = app.conf
    assert (conf.logging_level, conf.log_stream, conf.log_format, conf.log_use_colors) == (
        "debug",
        "stdout",
        "json",
        False,
    )
    assert (conf.max_pending_seconds, conf.argument_print_mode) == (9, ArgumentPrintMode.KEYS)
    assert conf.trigger_task_modules == ("json", "math")
    assert app.runner.conf.min_parallel_slots == 2
    assert app.orchestrator.conf.blocking_control is True
    assert app.client_data_store.conf.min_size_to_cache == 10
    task = app.task(pack)
    assert (task.conf.running_concurrency, task.conf.registration_concurrency) == ("task", "arguments")


def test_the_builder_refuses_memory_with_processes() -> None:
    with pytest.raises(ValueError, match="memory"):
        PynencBuilder().memory().process_runner().build()


# -- texts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choose", "shown"),
    [
        (lambda b: b.show_full_arguments(), "args(parcel=" + "x" * 50 + ", tape=1)"),
        (lambda b: b.show_argument_keys(), "args(parcel, tape)"),
        (lambda b: b.hide_arguments(), "<arguments hidden>"),
        (lambda b: b.show_truncated_arguments(8), None),
    ],
)
def test_arguments_are_shown_as_chosen(choose: Any, shown: str | None) -> None:
    app = choose(PynencBuilder().app_id("feature-shown").memory()).build()
    text = str(app.task(pack).args("x" * 50, tape=1))
    assert text == shown if shown else ("x" * 50 not in text and "tape=1" in text)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_the_log_is_text_or_json_on_a_stream(capsys: Any, log_format: str) -> None:
    app = (
        PynencBuilder()
        .app_id(f"feature-log-{log_format}")
        .memory()
        .logging("info", stream="stdout", fmt=log_format, colors=False)
        .build()
    )
    assert isinstance(app.logger, logging.Logger)
    assert app.logger.name == f"pynenc.{app.app_id}"
    app.logger.debug("too quiet")
    app.logger.info("a parcel %s", "arrived")
    [line] = capsys.readouterr().out.splitlines()
    if log_format == "text":
        assert "INFO" in line
        assert line.endswith("a parcel arrived")
    else:
        record = json.loads(line)
        assert (record["severity"], record["message"], record["logger"]) == (
            "INFO",
            "a parcel arrived",
            app.logger.name,
        )
