"""Every name that code written for pynenc imports or reads is there; what this build lacks says so."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.worlds import load_jobs

from pynenc import Pynenc
from pynenc.exceptions import NotOfferedError, RunnerNotExecutableError
from pynenc.workflow import DeterministicOperationScopeError, WorkflowMembershipError

NAMES = {
    "pynenc": "Pynenc Task ConcurrencyControlType PynencBuilder",
    "pynenc.runner": "BaseRunner DummyRunner ThreadRunner ProcessRunner MultiThreadRunner PersistentProcessRunner "
    "ExternalRunner RunnerContext AtomicServiceRun",
    "pynenc.runner.base_runner": "BaseRunner DummyRunner",
    "pynenc.invocation": "BaseInvocation DistributedInvocation ReusedInvocation TaskInvocation WorkflowInvocation "
    "SynchronousInvocation ConcurrentInvocation DistributedInvocationGroup SynchronousInvocationGroup "
    "ConcurrentInvocationGroup InvocationStatus InvocationStatusRecord InvocationDTO",
    "pynenc.broker.base_broker": "BaseBroker",
    "pynenc.orchestrator.base_orchestrator": "BaseOrchestrator BaseBlockingControl BaseCycleControl",
    "pynenc.state_backend.base_state_backend": "BaseStateBackend InvocationHistory",
    "pynenc.serializer.base_serializer": "BaseSerializer",
    "pynenc.trigger": "BaseTrigger MemTrigger SQLiteTrigger RedisTrigger TriggerBuilder on_cron on_event on_status "
    "ArgumentProviderError NonModuleLevelFunctionError EventContext StatusContext ResultContext ExceptionContext "
    "CronContext TriggerDefinitionDTO EventRecord EventMarker EventMarkerPage TriggerRunRecord TriggerRunParticipant",
    "pynenc.trigger.base_trigger": "BaseTrigger",
    "pynenc.client_data_store": "BaseClientDataStore MemClientDataStore SQLiteClientDataStore RedisClientDataStore",
    "pynenc.client_data_store.base_client_data_store": "BaseClientDataStore",
    "pynenc.workflow": "WorkflowError WorkflowPauseError WorkflowMembershipError DeterministicOperationScopeError "
    "WorkflowIdentity WorkflowContext",
    "pynenc.core_tasks": "recover_pending_invocations recover_running_invocations",
    "pynenc.call": "Call LazyCall PreSerializedCall",
    "pynenc.context": "get_dist_invocation_context swap_dist_invocation_context sync_inv_context runner_args "
    "get_current_runner get_runner_context get_or_create_runner_context get_current_app",
    "pynenc.exceptions": "PynencError RetryError ConcurrencyRetryError SerializationError TaskError "
    "InvalidTaskOptionsError TaskParallelProcessingError TaskRoutingError "
    "InvocationConcurrencyWithDifferentArgumentsError InvocationError StateBackendError InvocationNotFoundError "
    "RunnerError RunnerNotExecutableError AlreadyInitializedError ConfigError ConfigMultiInheritanceError "
    "AtomicServiceConfigError TriggerConfigError InvocationStatusError InvocationStatusTransitionError "
    "InvocationStatusOwnershipError InvocationStatusRaceConditionError PendingInvocationLockError CycleDetectedError",
    "pynenc.conf.config_pynenc": "ConfigPynenc ArgumentPrintMode",
    "pynenc.conf.config_runner": "ConfigRunner ConfigThreadRunner "
    "ConfigMultiThreadRunner ConfigPersistentProcessRunner",
    "pynenc.conf.config_task": "ConfigTask ConcurrencyControlType",
    "pynenc.conf.config_orchestrator": "ConfigOrchestrator",
    "pynenc.conf.config_broker": "ConfigBroker",
    "pynenc.conf.config_state_backend": "ConfigStateBackend",
    "pynenc.conf.config_trigger": "ConfigTrigger",
    "pynenc.conf.config_client_data_store": "ConfigClientDataStore",
    "pynenc.conf.config_sqlite": "ConfigSQLite",
    "pynenc.conf.config_redis": "ConfigRedis",
}
MEMBERS = {
    "app": "app_id conf logger orchestrator broker state_backend serializer runner trigger client_data_store tasks "
    "config_values config_filepath purge from_info get_task register_core_tasks register_deferred_triggers task "
    "workflow direct_task",
    "app.broker": "route_invocation route_invocations retrieve_invocation count_invocations purge conf",
    "app.orchestrator": "get_invocation_status get_invocation_status_record filter_final filter_by_status "
    "set_invocation_status set_invocation_result set_invocation_exception set_invocation_retry route_call route_calls "
    "register_new_invocations reroute_invocations get_invocations_to_run waiting_for_results get_blocking_invocations "
    "get_existing_invocations get_task_invocation_ids get_invocation_ids_paginated count_invocations "
    "get_call_invocation_ids index_arguments_for_concurrency_control increment_invocation_retries "
    "get_invocation_retries set_up_invocation_auto_purge auto_purge purge blocking_control "
    "register_runner_heartbeats get_pending_invocations_for_recovery conf",
    "app.orchestrator.blocking_control": "waiting_for_results release_waiters get_blocking_invocations",
    "app.orchestrator.cycle_control": "add_call_and_check_cycles clean_up_invocation_cycles",
    "app.state_backend": "get_invocation get_history get_result get_exception store_app_info get_app_info "
    "discover_app_infos set_workflow_data get_workflow_data wait_for_all_async_operations purge conf",
    "app.client_data_store": "serialize deserialize resolve is_reference serialize_arguments deserialize_arguments "
    "purge conf",
    "app.trigger": "emit_event register_trigger get_condition purge conf",
    "task": "task_id app func options conf logger retriable_exceptions broker_queue broker_priority wf "
    "is_workflow_root_task args parallelize from_id",
    "task.wf": "identity root get_data set_data",
}
DEFAULTS = {
    "config_orchestrator.ConfigOrchestrator": {"blocking_control": True, "auto_final_invocation_purge_hours": 24.0},
    "config_broker.ConfigBroker": {"queue_timeout_sec": 0.1, "queues": ("default",), "priority_rules": ()},
    "config_client_data_store.ConfigClientDataStore": {
        "disable_client_data_store": False,
        "min_size_to_cache": 1024,
        "max_size_to_cache": 0,
        "local_cache_size": 1024,
        "warn_threshold": 10485760,
        "compression_enabled": False,
    },
    "config_trigger.ConfigTrigger": {
        "scheduler_interval_seconds": 60,
        "enable_scheduler": True,
        "max_events_batch_size": 100,
        "event_retention_days": 7,
    },
    "config_sqlite.ConfigSQLite": {"sqlite_db_path": ""},
    "config_redis.ConfigRedis": {"redis_host": "localhost", "redis_port": 6379, "redis_db": 0, "redis_url": ""},
}


@pytest.fixture(params=["memory", "sqlite"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/names.db"
    app = Pynenc(f"names-{tmp_path.name}-{request.param}", config_values={"store_url": url})
    return {"app": app, "task": app.task(load_jobs)}


@pytest.mark.parametrize(("module", "name"), [(module, name) for module in NAMES for name in NAMES[module].split()])
def test_a_name_of_the_contract_can_be_imported(module: str, name: str) -> None:
    getattr(importlib.import_module(module), name)


@pytest.mark.parametrize(("path", "name"), [(path, name) for path in MEMBERS for name in MEMBERS[path].split()])
def test_a_member_of_the_contract_is_there_on_every_store(scene: dict[str, Any], path: str, name: str) -> None:
    first, *rest = path.split(".")
    owner = scene[first]
    for step in rest:
        owner = getattr(owner, step)
    getattr(owner, name)


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_settings_class_has_the_documented_defaults(name: str) -> None:
    module, _, cls = name.partition(".")
    conf = getattr(importlib.import_module(f"pynenc.conf.{module}"), cls)()
    assert {field: getattr(conf, field) for field in DEFAULTS[name]} == DEFAULTS[name]


@pytest.mark.parametrize(
    "use",
    [
        lambda app, task: app.trigger.emit_event("paid"),
        lambda app, task: app.trigger.register_trigger(None),
        lambda app, task: app.workflow(load_jobs),
        lambda app, task: app.state_backend.get_workflow_data("w", "k"),
        lambda app, task: app.state_backend.set_workflow_data("w", "k", 1),
        lambda app, task: importlib.import_module("pynenc.trigger").TriggerBuilder(),
        lambda app, task: importlib.import_module("pynenc.trigger").on_cron("* * * * *"),
        lambda app, task: importlib.import_module("pynenc.invocation").WorkflowInvocation(),
        lambda app, task: importlib.import_module("pynenc.runner").AtomicServiceRun(),
    ],
)
def test_what_is_not_offered_says_so(scene: dict[str, Any], use: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(NotOfferedError, match="this build"):
        use(scene["app"], scene["task"])


def test_workflow_operations_outside_of_a_workflow_raise(scene: dict[str, Any]) -> None:
    with pytest.raises(WorkflowMembershipError):
        scene["task"].wf.set_data("k", 1)
    with pytest.raises(DeterministicOperationScopeError):
        scene["task"].wf.root.random()


def test_an_external_runner_runs_nothing(scene: dict[str, Any]) -> None:
    runner = importlib.import_module("pynenc.runner").ExternalRunner(scene["app"])
    with pytest.raises(RunnerNotExecutableError):
        runner.run()


def test_the_client_data_store_gives_back_what_it_was_given(scene: dict[str, Any]) -> None:
    store = scene["app"].client_data_store
    value = {"rows": ["x" * 2000, "__pynenc__client_data__:no reference"]}
    text = store.serialize(value)
    assert not store.is_reference(text)
    assert store.deserialize(text) == store.resolve(text) == value
    assert store.deserialize_arguments(store.serialize_arguments({"a": 1, "b": value})) == {"a": 1, "b": value}


def test_an_invocation_can_be_asked_for_upkeep_by_object_and_by_id(scene: dict[str, Any]) -> None:
    app = scene["app"]
    app.register_core_tasks()
    task = next(task for task_id, task in app.tasks.items() if "recover_pending" in task_id)
    invocation = task()
    for one in (invocation, str(invocation.invocation_id)):
        [record] = app.orchestrator.register_new_invocations([one])
        assert record.status == "registered"
        app.orchestrator.index_arguments_for_concurrency_control(one)
        app.orchestrator.set_up_invocation_auto_purge(one)
    assert app.orchestrator.auto_purge() == 0
    assert list(app.orchestrator.get_pending_invocations_for_recovery()) == []
    assert invocation.workflow is None
    assert invocation.to_dto().invocation_id == invocation.invocation_id
    assert app.state_backend.get_app_info().app_id == app.app_id
    assert app.app_id in app.state_backend.discover_app_infos()
    pickle.loads(pickle.dumps(app.conf))
