"""The behaviour of names that only code written for pynenc 0.4 uses."""

from __future__ import annotations

import asyncio
import importlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.jobs import shapes
from support.processes import Processes

from pynenc import Pynenc, context
from pynenc._compat.paths import PATHS
from pynenc.call import Call, compute_args_id
from pynenc.conf.config_broker import BrokerPriorityRule, ConfigBroker, validate_priority, validate_queue_name
from pynenc.conf.config_orchestrator import ConfigOrchestratorSQLite
from pynenc.conf.config_pynenc import ConfigPynenc, LogFormat
from pynenc.conf.unknown import unknown_settings
from pynenc.core_tasks import CoreTaskDefinition, CoreTaskRegistry
from pynenc.exceptions import ConfigError
from pynenc.invocation.status import (
    InvocationStatus,
)
from pynenc.runner import DummyRunner, ExternalRunner, RunnerContext, ThreadRunner
from pynenc.testing.plugin import running

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)


@pytest.fixture
def app(request: pytest.FixtureRequest) -> Pynenc:
    return Pynenc(request.node.name[:150], {"store_url": "memory://"})


# -- paths ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_an_old_path_has_the_names_of_the_modules_where_they_live(path: str) -> None:
    module = importlib.import_module(path)
    assert sorted(module.__all__) == sorted(PATHS[path])
    for name, place in PATHS[path].items():
        assert getattr(module, name) is getattr(importlib.import_module(place), name)


def test_a_path_that_neither_has_is_missing_as_ever() -> None:
    for path in ("pynenc.no_such_module", "pynenc.models.no_such_dto", "pynenc.identifiers.no_such_id"):
        with pytest.raises(ModuleNotFoundError, match=path.replace(".", r"\.")):
            importlib.import_module(path)


# -- plugins -------------------------------------------------------------------------------------------------------


def test_plugins_are_loaded_when_an_app_or_a_builder_is_made(tmp_path: Path, processes: Processes) -> None:
    installed = tmp_path / "installed"
    metadata = installed / "shop_plugin-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[pynenc.plugins]\nshop = shop_plugin:ShopPlugin\nserializer = shop_plugin\n"
        "broken = shop_plugin_that_is_not_there\nmissing = shop_plugin:nothing\n"
    )
    (installed / "shop_plugin.py").write_text(
        "from pynenc.serializer import BaseSerializer\n"
        "class ShopSerializer(BaseSerializer):\n"
        "    def serialize(self, obj): return repr(obj)\n"
        "    def deserialize(self, serialized_obj): return eval(serialized_obj)\n"
        "class ShopPlugin:\n"
        "    @staticmethod\n"
        "    def register_builder_methods(builder_cls):\n"
        "        builder_cls.register_plugin_method('shop', lambda builder: builder.custom_config(shop_size=3))\n"
    )
    program = (
        "import sys, warnings\n"
        f"sys.path.insert(0, {str(installed)!r})\n"
        "import pynenc\n"
        "assert 'shop_plugin' not in sys.modules\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    {make}\n"
        "    pynenc.Pynenc('another')\n"
        "texts = sorted(str(each.message) for each in caught)\n"
        "assert len(texts) == 2, texts\n"
        "assert \"plugin 'broken' (shop_plugin_that_is_not_there)\" in texts[0], texts\n"
        "assert 'ModuleNotFoundError' in texts[0] and 'AttributeError' in texts[1], texts\n"
        "app = pynenc.PynencBuilder().app_id('shop').memory().shop().build()\n"
        "assert app.config_values['shop_size'] == 3\n"
        "other = pynenc.Pynenc('other', {{'store_url': 'memory://', 'serializer_cls': 'ShopSerializer'}})\n"
        "assert other.serializer.deserialize(other.serializer.serialize((1, 2))) == (1, 2)\n"
        "from pynenc.plugin_loader import load_all_plugins\n"
        "assert load_all_plugins() == ['serializer', 'shop']\n"
    )
    children = [
        processes.python("-c", program.replace("{make}", make).replace("{{", "{").replace("}}", "}"))
        for make in ("pynenc.Pynenc('shop')", "pynenc.PynencBuilder()")
    ]
    for child in children:
        assert child.wait() == 0, child.output()


def test_without_plugins_the_metadata_machinery_is_not_imported(processes: Processes) -> None:
    program = "import sys, pynenc; pynenc.Pynenc('plain'); assert 'importlib.metadata' not in sys.modules"
    child = processes.python("-c", program)
    assert child.wait() == 0, child.output()


# -- settings ------------------------------------------------------------------------------------------------------


def test_settings_list_explain_mask_and_override_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__LEASE_SEC", "7")
    conf = ConfigPynenc(
        {"redis_password": "hunter2", "redis_url": "redis://me:hunter2@host", "log_format": LogFormat.JSON}
    )
    assert "lease_sec" in ConfigPynenc.config_fields()
    assert list(conf.all_fields()) == conf.config_fields()
    assert conf.all_fields()["redis_password"] == "hunter2"
    assert (conf.safe_dict()["redis_password"], conf.safe_dict()["redis_url"]) == ("***", "redis://me:***@host")
    assert "hunter2" not in conf.explain()
    assert conf.explain("lease_sec").startswith("lease_sec = 7.0 s (from environment variable PYNENC__LEASE_SEC): ")
    with pytest.raises(AttributeError, match="lease_secs"):
        conf.explain("lease_secs")
    with conf.override(lease_sec=3.0, app_id="other") as overridden:
        assert (overridden.lease_sec, conf.app_id, conf.source_of("lease_sec")) == (3.0, "other", "assignment")
    assert (conf.lease_sec, conf.source_of("lease_sec"), conf.app_id) == (
        7.0,
        "environment variable PYNENC__LEASE_SEC",
        "pynenc",
    )
    with pytest.raises(ConfigError, match="lease_sec"), conf.override(app_id="other", lease_sec=-1):
        pass
    assert conf.app_id == "pynenc"
    assert conf.log_format == "json"


def test_queue_names_and_priorities_are_checked() -> None:
    assert validate_queue_name("slow-1") == "slow-1"
    assert validate_priority(3) == 3.0
    for wrong in ("", "a queue", 3):
        with pytest.raises(ValueError, match="queue_name must match"):
            validate_queue_name(wrong)
    for wrong in (101, float("nan"), "high", True):
        with pytest.raises(ValueError, match="priority must be a number from -100 to 100"):
            validate_priority(wrong)


def test_priority_rules_take_rules_as_objects() -> None:
    conf = ConfigBroker({"priority_rules": [BrokerPriorityRule("shop.*", 5), BrokerPriorityRule("shop.tasks.*", 9)]})
    assert conf.get_priority_for_task("shop.tasks.pay") == 9
    assert conf.get_priority_for_task("shop.other") == 5
    assert conf.get_priority_for_task("bakery.bake") == 0
    assert conf.get_priority_for_task("bakery.bake", 2.0) == 2.0
    named = BrokerPriorityRule(task_id="shop.tasks.*", priority=9.0)
    for rules in ([{"task_id": "shop.*", "priority": 5}, named], {"shop.*": 5, "shop.tasks.*": "9"}):
        assert ConfigBroker({"priority_rules": rules}).priority_rules == conf.priority_rules
    assert ConfigBroker({"priority_rules": {"task_id": "shop.*", "priority": 5}}).priority_rules == ("shop.*=5",)


@pytest.mark.parametrize(
    "rule", [{"task_id": "shop.*"}, {"task_id": "", "priority": 1}, {"task_id": "x", "priority": "nan"}]
)
def test_a_priority_rule_that_is_none_is_refused_with_an_example(rule: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"ConfigBroker.priority_rules must be rules like 'shop.tasks.\*=10'"):
        ConfigBroker({"priority_rules": [rule]})


def test_the_queues_of_the_broker_have_the_default_queue() -> None:
    assert ConfigBroker({"queues": "payments, reports"}).queues == ("default", "payments", "reports")
    assert ConfigBroker({"queues": ["payments", "default", "payments"]}).queues == ("payments", "default")
    with pytest.raises(ConfigError, match=r"ConfigBroker\.queues must match .*, got .*a queue"):
        ConfigBroker({"queues": ("a queue",)})


def test_a_class_for_sqlite_reads_both_sections_and_an_app_does_not_read_its_own() -> None:
    conf = ConfigOrchestratorSQLite({"orchestrator": {"blocking_control": False}, "sqlite": {"sqlite_db_path": "a.db"}})
    assert (conf.blocking_control, conf.sqlite_db_path) == (False, "a.db")
    # An app has one store, so a location for the orchestrator alone must not be ignored silently.
    [(_, key, _)] = unknown_settings({"orchestratorsqlite": {"sqlite_db_path": "b.db"}}, None)
    assert key == "orchestratorsqlite"


# -- tasks and calls -----------------------------------------------------------------------------------------------


def test_a_task_is_made_and_cloned_for_another_app(app: Pynenc) -> None:
    task = app.task(max_retries=3)(shapes.calm)
    other = Pynenc("cloned", {"store_url": "memory://"})
    clone = task.clone_for_app(other)
    assert other.tasks == {task.task_id: clone}
    assert (clone.app, clone.conf.max_retries, clone.func) == (other, 3, task.func)
    made = type(task).create_for_app(other, shapes.urgent, {"priority": 2.0})
    assert other.get_task(str(made.task_id)) is made
    assert made.conf.priority == 2.0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"running_concurrency": "task"}, None),
        ({"running_concurrency": "arguments"}, {"day", "times"}),
        ({"running_concurrency": "keys", "key_arguments": ["times"]}, {"times"}),
        ({"registration_concurrency": "keys", "key_arguments": ["day"]}, {"day"}),
    ],
)
def test_a_call_knows_what_concurrency_control_compares(app: Pynenc, options: Any, expected: set[str] | None) -> None:
    task = app.task(**options)(shapes.dated)
    call: Call[Any, Any] = Call(task, task.args(shapes.DAY, 2))
    found = call.serialized_args_for_concurrency_control
    assert (None if found is None else set(found)) == expected
    assert compute_args_id(call.serialized_arguments) == call.args_id
    assert compute_args_id({}) == "no_args"


def test_core_tasks_are_registered_one_by_one_or_all(app: Pynenc) -> None:
    task = app.register_core_task(CoreTaskDefinition(shapes.calm, {"max_retries": 2}))
    assert app.tasks[task.task_id] is task
    assert app.register_core_task(CoreTaskDefinition(shapes.calm)) is task
    registry = CoreTaskRegistry()
    assert registry.register(shapes.urgent, priority=1.0) is shapes.urgent
    registry.register(shapes.urgent)
    [definition] = registry
    assert (definition.options, len(registry)) == ({"priority": 1.0}, 1)
    app.register_core_tasks()
    assert {"recover_pending_invocations", "recover_running_invocations"} < {each.func_name for each in app.tasks}


# -- runners and context -------------------------------------------------------------------------------------------


def test_a_runner_tells_its_context_and_its_queues(app: Pynenc) -> None:
    runner = ThreadRunner(app)
    runner.conf.queues = ("fast", "slow")
    assert RunnerContext.from_runner(runner) == runner.runner_context
    assert runner.runner_context.runner_id == runner.runner_id
    assert runner.queue_names_for_retrieval == runner.queue_names_for_retrieval() == ("fast", "slow")
    child = runner.runner_context.new_child_context("Child")
    assert (child.root_runner_cls, child.root_runner_id) == ("ThreadRunner", runner.runner_id)
    client = ExternalRunner.get_default_external_runner_context()
    assert (client.runner_cls, client.runner_id) == ("ExternalRunner", str(ExternalRunner(app).runner_id))


def test_a_runner_imports_trigger_modules_when_asked(
    app: Pynenc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "triggers_of_newer_names.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    app.conf.trigger_task_modules = ("triggers_of_newer_names",)
    DummyRunner(app).init_trigger_tasks_modules()
    assert "triggers_of_newer_names" in sys.modules


def test_a_runner_waits_without_blocking_the_loop(app: Pynenc) -> None:
    runner = DummyRunner(app)
    invocation = app.task(shapes.calm)()
    ticks = []

    async def tick() -> None:
        while True:
            ticks.append(None)
            await asyncio.sleep(0)

    async def both() -> None:
        ticking = asyncio.create_task(tick())
        await runner.async_waiting_for_results(None, [invocation])
        ticking.cancel()

    asyncio.run(both())
    assert ticks


@pytest.mark.parametrize("queues", [(), ("slow", "fast")])
def test_active_runners_are_listed_with_their_queues(app: Pynenc, queues: tuple[str, ...]) -> None:
    assert app.orchestrator.get_active_runners() == []
    runner = ThreadRunner(app)
    runner.conf.queues = queues
    app.task(queue="slow")(shapes.calm)
    before = datetime.now(UTC)
    with running(runner):
        [active] = app.orchestrator.get_active_runners()
        assert active.runner_id == runner.runner_id
        assert active.consumed_queues == (tuple(sorted(queues)) or None)
        assert before <= active.creation_time <= active.last_heartbeat <= datetime.now(UTC)
    assert app.orchestrator.get_active_runners() == []


def test_children_of_an_invocation_are_listed(app: Pynenc) -> None:
    parent, child = app.task(shapes.calm), app.task(shapes.urgent)
    parent()
    [running] = app.orchestrator.get_invocations_to_run(1)
    context.swap_dist_invocation_context(app.app_id, running)
    try:
        children = [child(), child()]
    finally:
        context.swap_dist_invocation_context(app.app_id, None)
    assert list(app.state_backend.get_child_invocations(running)) == [each.invocation_id for each in children]
    assert list(app.state_backend.get_child_invocations(str(running.invocation_id))) == [
        each.invocation_id for each in children
    ]
    assert list(app.state_backend.get_child_invocations(children[0])) == []


def test_an_invocation_is_routed_through_the_orchestrator_too(app: Pynenc) -> None:
    app.task(shapes.calm)()
    claimed = app.broker.retrieve_invocation()
    assert claimed is not None
    app.orchestrator.route_invocation(claimed)
    app.orchestrator.route_invocations([str(claimed)])
    assert app.orchestrator.get_invocation_status(claimed) is InvocationStatus.REROUTED


def test_the_context_is_set_and_cleared_by_hand(app: Pynenc) -> None:
    runner = DummyRunner(app)
    assert context.get_current_app() is None
    context.set_current_app(app)
    assert context.get_current_app() is app
    context.set_current_app(None)
    with pytest.raises(ValueError, match="the runner is of app"):
        context.set_current_runner("other", runner)
    context.set_current_runner(app.app_id, runner)
    assert context.get_current_runner(app.app_id) is runner
    assert context.get_current_app() is app
    context.clear_current_runner("other")
    assert context.get_current_runner(app.app_id) is runner
    context.clear_current_runner(app.app_id)
    assert context.get_current_runner(app.app_id) is None
    context.set_runner_args({"a": 1})
    assert context.get_runner_args() == context.runner_args == {"a": 1}
    context.set_runner_args(None)
    assert context.swap_trigger_event_context(app.app_id, "event") is None
    assert context.get_trigger_event_context(app.app_id) == "event"
    assert context.get_trigger_event_context("other") is None
    assert context.swap_trigger_event_context(app.app_id, None) == "event"
