"""The builder: the settings of each method, and the values that it refuses."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.jobs import shapes
from support.seed_runners import RecordingRunner

from pynenc import ConcurrencyControlType, Pynenc
from pynenc.builder import PynencBuilder
from pynenc.exceptions import ConfigError, NotOfferedError
from pynenc.runner import (
    AsyncRunner,
    DummyRunner,
    MultiThreadRunner,
    PersistentProcessRunner,
    ProcessRunner,
    ThreadRunner,
)
from pynenc.trigger import EventRecord, TriggerBuilder, on_cron, on_event, on_status


@pytest.fixture
def plugins() -> Iterator[None]:
    methods, validators = dict(PynencBuilder._plugin_methods), list(PynencBuilder._plugin_validators)
    yield
    PynencBuilder._plugin_methods.clear()
    PynencBuilder._plugin_methods.update(methods)
    PynencBuilder._plugin_validators[:] = validators


class ElsewhereRunner(RecordingRunner):
    @staticmethod
    def mem_compatible() -> bool:
        return False


def test_an_app_in_memory_with_threads() -> None:
    app = PynencBuilder().app_id("built").memory().thread_runner(min_threads=1, max_threads=3).build()
    assert isinstance(app, Pynenc)
    assert app.app_id == "built"
    assert app._runtime.store.kind == "memory"
    assert isinstance(app.runner, ThreadRunner)
    assert app.runner.conf.max_threads == 3


def test_sqlite_takes_a_path_and_undoes_memory(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    app = PynencBuilder().app_id("built-sqlite").memory().sqlite(str(path)).build()
    assert app._runtime.store.kind == "sqlite"
    assert path.exists()


def test_redis_takes_a_url_and_a_database() -> None:
    builder = PynencBuilder().redis("redis://user:secret@somewhere:7000/1", db=5)
    assert builder._config["redis_url"] == "redis://user:secret@somewhere:7000/5"
    assert PynencBuilder().redis(db=3)._config["redis_db"] == 3
    assert PynencBuilder().memory().redis()._config["broker_cls"] == "RedisBroker"
    assert "store_url" not in PynencBuilder().memory().redis()._config


def test_an_app_built_without_a_runner_is_a_client() -> None:
    app = PynencBuilder().app_id("built-client").memory().build()
    assert type(app.runner) is DummyRunner


@pytest.mark.parametrize("method", ["mem_trigger", "redis_trigger"])
def test_a_trigger_component_can_be_chosen_and_every_trigger_is_refused(method: str) -> None:
    builder: Any = PynencBuilder().app_id(f"built-{method}").memory()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        app = getattr(builder, method)(scheduler_interval_seconds=30, enable_scheduler=False).build()
        # Unknown settings cause warnings here.
        assert app.orchestrator.count_invocations() == 0
    assert type(app.trigger).__name__ == {"mem_trigger": "MemTrigger", "redis_trigger": "RedisTrigger"}[method]
    assert (app.trigger.conf.scheduler_interval_seconds, app.trigger.conf.enable_scheduler) == (30, False)
    for use in (
        TriggerBuilder,
        lambda: on_cron("* * * * *"),
        lambda: on_event("sold"),
        lambda: on_status(app.task(shapes.calm)),
        lambda: app.task(triggers=["any"])(shapes.calm),
        lambda: app.trigger.emit_event("sold"),
        lambda: EventRecord("an-id"),
    ):
        with pytest.raises(NotOfferedError, match="this build has no triggers"):
            use()
    assert app.task(triggers=None)(shapes.calm).task_id == app.task(triggers=[])(shapes.calm).task_id


@pytest.mark.parametrize(
    ("call", "cls", "settings"),
    [
        (lambda b: b.process_runner(3), ProcessRunner, {"max_processes": 3}),
        (lambda b: b.persistent_process_runner(3), PersistentProcessRunner, {"num_processes": 3}),
        (lambda b: b.multi_thread_runner(1, 4, True, max_processes=2), MultiThreadRunner,
         {"max_threads": 4, "max_processes": 2, "min_processes": 1, "enforce_max_processes": True}),
        (lambda b: b.async_runner(2, concurrency=50), AsyncRunner, {"processes": 2, "concurrency": 50}),
    ],
)  # fmt: skip
def test_runners_with_worker_processes(tmp_path: Path, call: Any, cls: Any, settings: dict[str, Any]) -> None:
    app = call(PynencBuilder().app_id("built-workers").sqlite(str(tmp_path / "file.db"))).build()
    assert type(app.runner) is cls
    assert {name: getattr(app.runner.conf, name) for name in settings} == settings


@pytest.mark.parametrize(
    "method", ["process_runner", "persistent_process_runner", "multi_thread_runner", "async_runner"]
)
def test_memory_with_worker_processes_is_refused(method: str) -> None:
    with pytest.raises(ValueError, match="cannot see a store in memory"):
        getattr(PynencBuilder().memory(), method)().build()


def test_memory_with_a_runner_that_runs_elsewhere_is_refused() -> None:
    builder = PynencBuilder().memory().custom_config(runner_cls=ElsewhereRunner.__name__)
    with pytest.raises(ValueError, match="ElsewhereRunner"):
        builder.build()


def test_memory_with_a_runner_of_ones_own_in_this_process_is_accepted() -> None:
    builder = PynencBuilder().app_id("built-own").memory().custom_config(runner_cls=RecordingRunner.__name__)
    assert type(builder.build().runner) is RecordingRunner


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda b: b.dev_mode(), {"dev_mode_force_sync_tasks": True}),
        (lambda b: b.dev_mode(force_sync_tasks=False), {"dev_mode_force_sync_tasks": False}),
        (lambda b: b.logging_level("debug"), {"logging_level": "debug"}),
        (lambda b: b.logging("info", stream="stdout", colors=False, fmt="json"),
         {"logging_level": "info", "log_stream": "stdout", "log_use_colors": False, "log_format": "json"}),
        (lambda b: b.task_control(), {"blocking_control": False, "queue_timeout_sec": 0.1}),
        (lambda b: b.serializer_json(), {"serializer_cls": "JsonSerializer"}),
        (lambda b: b.serializer_pickle(), {"serializer_cls": "PickleSerializer"}),
        (lambda b: b.serializer_json_pickle(), {"serializer_cls": "JsonPickleSerializer"}),
        (lambda b: b.concurrency_control(running_concurrency=ConcurrencyControlType.TASK),
         {"running_concurrency": "task"}),
        (lambda b: b.concurrency_control(registration_concurrency="keys"), {"registration_concurrency": "keys"}),
        (lambda b: b.max_pending_seconds(7.0), {"max_pending_seconds": 7.0}),
        (lambda b: b.hide_arguments(), {"argument_print_mode": "HIDDEN"}),
        (lambda b: b.show_truncated_arguments(5),
         {"argument_print_mode": "TRUNCATED", "truncate_arguments_length": 5}),
        (lambda b: b.trigger_task_modules({"b", "a"}), {"trigger_task_modules": ["a", "b"]}),
        (lambda b: b.custom_config(lease_sec=3.0), {"lease_sec": 3.0}),
        (lambda b: b.store("memory://"), {"store_url": "memory://"}),
        (lambda b: b.mem_client_data_store().disable_client_data_store(),
         {"client_data_store_cls": "MemClientDataStore", "disable_client_data_store": True,
          "min_size_to_cache": 1024, "local_cache_size": 1024}),
        (lambda b: b.redis_client_data_store(10, 20),
         {"client_data_store_cls": "RedisClientDataStore", "disable_client_data_store": False,
          "min_size_to_cache": 10, "local_cache_size": 20}),
        (lambda b: b.mem_trigger(),
         {"trigger_cls": "MemTrigger", "scheduler_interval_seconds": 60, "enable_scheduler": True}),
        (lambda b: b.redis_trigger(5, False),
         {"trigger_cls": "RedisTrigger", "scheduler_interval_seconds": 5, "enable_scheduler": False}),
        (lambda b: b.runner_tuning(),
         {"runner_loop_sleep_time_sec": 0.01, "invocation_wait_results_sleep_time_sec": 0.01, "min_parallel_slots": 1}),
    ],
)  # fmt: skip
def test_a_builder_method_sets_its_settings_and_can_be_chained(call: Any, expected: dict[str, Any]) -> None:
    builder = PynencBuilder()
    assert call(builder) is builder
    assert builder._config == expected


def test_a_plugin_adds_methods_and_validators(plugins: None) -> None:
    def cache(builder: PynencBuilder, size: int) -> None:
        builder.custom_config(plugin_cache=size)

    def validate(settings: dict[str, Any]) -> None:
        if settings.get("plugin_cache", 0) < 0:
            raise ValueError("the cache cannot be negative")

    PynencBuilder.register_plugin_method("cache", cache)
    PynencBuilder.register_plugin_validator(validate)
    builder = PynencBuilder().memory()
    assert builder.cache(-1) is builder
    with pytest.raises(ValueError, match="cannot be negative"):
        builder.build()


def test_an_unknown_method_is_refused_with_the_methods_of_plugins(plugins: None) -> None:
    PynencBuilder.register_plugin_method("known_one", lambda builder: None)
    with pytest.raises(AttributeError, match="known_one"):
        PynencBuilder().unknown()


@pytest.mark.parametrize(
    ("give", "problem"),
    [
        (lambda b: b.thread_runner(max_threads=-1), r"ConfigThreadRunner\.max_threads must be at least 0 threads"),
        (lambda b: b.persistent_process_runner(num_processes="many"), r"num_processes must be a whole number"),
        (lambda b: b.multi_thread_runner(enforce_max_processes=2), r"enforce_max_processes must be true or false"),
        (lambda b: b.async_runner(concurrency=0), r"concurrency must be at least 1"),
        (lambda b: b.runner_tuning(min_parallel_slots=0), r"min_parallel_slots must be at least 1"),
        (lambda b: b.logging_level("loud"), r"logging_level must be one of .*'warning'.*, got 'loud'"),
        (lambda b: b.logging_stream("paper"), r"log_stream must be one of"),
        (lambda b: b.logging_format("xml"), r"log_format must be one of"),
        (lambda b: b.logging_colors("maybe"), r"log_use_colors must be true or false"),
        (lambda b: b.argument_print_mode("LOUD"), r"argument_print_mode must be one of"),
        (lambda b: b.show_truncated_arguments(0), r"truncate_arguments_length must be at least 1"),
        (lambda b: b.concurrency_control(running_concurrency="keyz"), r"running_concurrency must be one of"),
        (lambda b: b.max_pending_seconds(-1), r"max_pending_seconds must be at least 0"),
        (lambda b: b.mem_client_data_store(min_size_to_cache=-1), r"min_size_to_cache must be at least 0"),
        (lambda b: b.mem_trigger(scheduler_interval_seconds=0), r"scheduler_interval_seconds must be at least 1"),
        (lambda b: b.app_id("a/b"), r"app_id must match"),
        (lambda b: b.store("postgres://host"), r"store_url has the unknown scheme 'postgres'"),
        (lambda b: b.sqlite("a?b.db"), r"sqlite_db_path must name a file"),
        (lambda b: b.redis("http://host"), r"redis_url must begin with redis://"),
        (lambda b: b.redis("redis://host", db=-1), r"redis_db must be at least 0"),
        (lambda b: b.task_defaults(max_retries=-1), r"ConfigTask\.max_retries .* \(from the builder, task_defaults\)"),
        (lambda b: b.custom_config(lease_sec="soon"), r"lease_sec must be a number"),
        (lambda b: b.custom_config(threadrunner={"max_threads": -1}), r"max_threads .* section 'threadrunner'"),
        (lambda b: b.signing("no secret"), r"signing_keys .*got a hidden value"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_work_raises_where_it_is_given_and_changes_nothing(give: Any, problem: str) -> None:
    builder = PynencBuilder().app_id("given")
    with pytest.raises(ConfigError, match=problem) as raised:
        give(builder)
    assert "(from the builder" in str(raised.value)
    assert builder.memory().build().app_id == "given"


def test_a_name_that_no_class_has_is_left_for_classes_that_are_imported_later() -> None:
    assert PynencBuilder().custom_config(size_of_later_plugin=-1)._config == {"size_of_later_plugin": -1}
    # Reading names of exceptions would import their modules, possibly this module.
    assert PynencBuilder().task_defaults(retry_for=("no.such.module.Error",))._config


def test_methods_take_the_keyword_names_of_pynenc(plugins: None, tmp_path: Path) -> None:
    builder = PynencBuilder().sqlite(sqlite_db_path=tmp_path / "a.db").logging_colors(use_colors=False)
    assert (builder._config["sqlite_db_path"], builder._config["log_use_colors"]) == (str(tmp_path / "a.db"), False)
    assert PynencBuilder().sqlite(path="b.db")._config["sqlite_db_path"] == "b.db"
    with pytest.raises(TypeError, match="takes the path once"):
        PynencBuilder().sqlite("a.db", path="b.db")
    seen: list[dict[str, Any]] = []
    PynencBuilder.register_plugin_method(
        method_name="quiet", method_func=lambda builder: builder.logging_level("error")
    )
    PynencBuilder.register_plugin_validator(validator_func=seen.append)
    app = PynencBuilder().app_id("keywords").memory().quiet().build()
    assert app.conf.logging_level == "error"
    assert seen[0]["app_id"] == "keywords"
    invocation = app.task(shapes.calm)()
    app.broker.route_invocation(invocation, queue_name="default", priority=1.0)
    app.broker.route_invocations([invocation], queue_name="default")


@pytest.mark.parametrize(
    "modules", [["m.b", "m.a"], ("m.b", "m.a"), iter(["m.b", "m.a"]), "m.b, m.a", {"m.b": 1, "m.a": 2}]
)
def test_trigger_task_modules_takes_any_iterable_in_its_order(modules: Any) -> None:
    builder = PynencBuilder().app_id("trigger-modules").memory().trigger_task_modules(modules)
    assert builder.build().conf.trigger_task_modules == ("m.b", "m.a")
