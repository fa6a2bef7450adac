"""Every name that code written for pynenc imports or reads exists; missing features raise an error."""

from __future__ import annotations

import builtins
import importlib
import inspect
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.worlds import load_jobs

from pynenc import ConcurrencyControlType, Pynenc, PynencBuilder, exceptions
from pynenc.call import Call
from pynenc.exceptions import NotOfferedError, RunnerNotExecutableError
from pynenc.invocation import InvocationStatus
from pynenc.runner import RunnerContext, ThreadRunner
from pynenc.workflow import DeterministicOperationScopeError, WorkflowMembershipError

NAMES = {
    "pynenc": "Pynenc Task ConcurrencyControlType PynencBuilder",
    "pynenc.runner": "BaseRunner DummyRunner ThreadRunner ProcessRunner MultiThreadRunner PersistentProcessRunner "
    "ExternalRunner RunnerContext AtomicServiceRun",
    "pynenc.runner.base_runner": "BaseRunner DummyRunner",
    "pynenc.app": "Pynenc",
    "pynenc.app_info": "AppInfo",
    "pynenc.task": "Task",
    "pynenc.arguments": "Arguments",
    "pynenc.builder": "PynencBuilder",
    "pynenc.identifiers": "TaskId CallId InvocationId",
    "pynenc.broker": "BaseBroker MemBroker SQLiteBroker RedisBroker",
    "pynenc.orchestrator": "BaseOrchestrator MemOrchestrator SQLiteOrchestrator RedisOrchestrator ActiveRunnerInfo",
    "pynenc.state_backend": "BaseStateBackend MemStateBackend SQLiteStateBackend RedisStateBackend InvocationHistory",
    "pynenc.serializer": "BaseSerializer JsonSerializer PickleSerializer JsonPickleSerializer JsonSerializable",
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
    "WorkflowIdentity WorkflowContext WorkflowTask",
    "pynenc.core_tasks": "recover_pending_invocations recover_running_invocations CoreTaskRegistry CoreTaskDefinition "
    "CoreTaskFunction core_tasks_registry",
    "pynenc.call": "Call CallDTO LazyCall PreSerializedCall compute_args_id",
    "pynenc.context": "get_dist_invocation_context swap_dist_invocation_context sync_inv_context runner_args "
    "get_current_runner get_runner_context get_or_create_runner_context get_current_app set_current_app "
    "set_current_runner clear_current_runner get_runner_args set_runner_args get_trigger_event_context "
    "swap_trigger_event_context",
    "pynenc.exceptions": "PynencError RetryError ConcurrencyRetryError SerializationError TaskError "
    "InvalidTaskOptionsError TaskParallelProcessingError TaskRoutingError "
    "InvocationConcurrencyWithDifferentArgumentsError InvocationError StateBackendError InvocationNotFoundError "
    "RunnerError RunnerNotExecutableError AlreadyInitializedError ConfigError ConfigMultiInheritanceError "
    "AtomicServiceConfigError TriggerConfigError InvocationStatusError InvocationStatusTransitionError "
    "InvocationStatusOwnershipError InvocationStatusRaceConditionError PendingInvocationLockError CycleDetectedError",
    "pynenc.conf.config_pynenc": "ConfigPynenc ArgumentPrintMode LogFormat",
    "pynenc.conf.config_runner": "ConfigRunner ConfigThreadRunner ConfigMultiThreadRunner "
    "ConfigPersistentProcessRunner QueueSelectionStrategy ConfigRunnerSQLite",
    "pynenc.conf.config_task": "ConfigTask ConcurrencyControlType",
    "pynenc.conf.config_orchestrator": "ConfigOrchestrator ConfigOrchestratorSQLite",
    "pynenc.conf.config_broker": "ConfigBroker ConfigBrokerSQLite BrokerPriorityRule DEFAULT_QUEUE DEFAULT_PRIORITY "
    "validate_queue_name validate_priority",
    "pynenc.conf.config_state_backend": "ConfigStateBackend ConfigStateBackendSQLite",
    "pynenc.conf.config_trigger": "ConfigTrigger ConfigTriggerSQLite",
    "pynenc.conf.config_client_data_store": "ConfigClientDataStore ConfigClientDataStoreSQLite",
    "pynenc.conf.config_sqlite": "ConfigSQLite",
    "pynenc.conf.config_redis": "ConfigRedis",
    "pynenc.conf.config_shared_memory": "ConfigSharedMemory",
    "pynenc.conf.config_base": "ConfigBase",
    "pynenc.conf.constants": "ENV_PREFIX ENV_SEP ENV_FILEPATH",
    "pynenc.identifiers.task_id": "TaskId",
    "pynenc.identifiers.call_id": "CallId",
    "pynenc.identifiers.invocation_id": "InvocationId",
    "pynenc.models": "CallDTO InvocationDTO TriggerDefinitionDTO",
    "pynenc.models.call_dto": "CallDTO",
    "pynenc.models.invocation_dto": "InvocationDTO",
    "pynenc.models.trigger_definition_dto": "TriggerDefinitionDTO",
    "pynenc.orchestrator.atomic_service": "AtomicServiceRun ActiveRunnerInfo",
    "pynenc.runner.shutdown_diagnostics": "",
    "pynenc.plugin_loader": "load_all_plugins",
    "pynenc.serializer.constants": "ReservedKeys",
    "pynenc.serializer.json_serializer": "JsonSerializer JsonSerializable",
    "pynenc.util.log": "create_logger",
    "pynenc.util.import_app": "find_app",
    "pynenc.util.files": "read_file",
    "pynenc.util.asyncio_helper": "",
    "pynenc.util.import_tools": "",
    "pynenc.invocation.status": "InvocationStatus InvocationStatusRecord StatusDefinition StatusConfiguration "
    "get_status_definition validate_transition validate_ownership status_record_transition",
    "pynenc.invocation.dist_invocation": "DistributedInvocation DistributedInvocationGroup TaskInvocation",
}
MEMBERS = {
    "app": "app_id conf logger orchestrator broker state_backend serializer runner trigger client_data_store tasks "
    "config_values config_filepath purge from_info get_task register_core_tasks register_core_task "
    "register_deferred_triggers task "
    "workflow direct_task",
    "app.broker": "route_invocation route_invocations retrieve_invocation count_invocations purge conf",
    "app.orchestrator": "get_invocation_status get_invocation_status_record filter_final filter_by_status "
    "set_invocation_status set_invocation_result set_invocation_exception set_invocation_retry route_call route_calls "
    "register_new_invocations reroute_invocations get_invocations_to_run waiting_for_results get_blocking_invocations "
    "get_existing_invocations get_task_invocation_ids get_invocation_ids_paginated count_invocations "
    "get_call_invocation_ids index_arguments_for_concurrency_control increment_invocation_retries "
    "get_invocation_retries set_up_invocation_auto_purge auto_purge purge blocking_control "
    "register_runner_heartbeats get_pending_invocations_for_recovery get_active_runners route_invocation "
    "route_invocations conf",
    "app.orchestrator.blocking_control": "waiting_for_results release_waiters get_blocking_invocations",
    "app.orchestrator.cycle_control": "add_call_and_check_cycles clean_up_invocation_cycles",
    "app.state_backend": "get_invocation get_child_invocations get_history get_result get_exception "
    "store_app_info get_app_info discover_app_infos set_workflow_data get_workflow_data "
    "wait_for_all_async_operations purge conf",
    "app.client_data_store": "serialize deserialize resolve is_reference serialize_arguments deserialize_arguments "
    "purge conf",
    "app.trigger": "emit_event register_trigger get_condition purge conf",
    "task": "task_id app func options conf logger retriable_exceptions broker_queue broker_priority wf "
    "is_workflow_root_task args parallelize from_id clone_for_app create_for_app",
    "task.wf": "identity root get_data set_data",
    "task.wf.root": "random utc_now uuid execute_task",
    "runner": "app running runner_id conf logger mem_compatible max_parallel_slots on_start on_stop run "
    "runner_loop_iteration stop_runner_loop waiting_for_results wait_until_stopped get_active_child_runner_ids "
    "_waiting_for_results _on_start _on_stop _on_stop_runner_loop runner_context queue_names_for_retrieval "
    "async_waiting_for_results init_trigger_tasks_modules",
    "invocation": "invocation_id call task arguments app num_retries parent_invocation parent_invocation_id status "
    "async_result get_final_result workflow run call_id",
    "group": "task invocations results async_results __iter__",
    "call": "task arguments args_id call_id serialized_arguments serialized_args_for_concurrency_control to_dto "
    "to_json from_json",
    "call.arguments": "kwargs args_id",
    "call.call_id": "task_id args_id key",
    "task.task_id": "module func_name key config_key",
    "invocation.status": "is_final is_available_for_run can_transition_to get_final_statuses "
    "get_available_for_run_statuses",
    "history": "status timestamp execution_context status_record runner_context_id registered_by_inv_id to_json "
    "from_json",
    "history.status_record": "status runner_id timestamp to_json from_json",
    "app.conf": "config_fields all_fields explain override safe_dict",
    "context": "runner_cls runner_id parent_ctx pid hostname thread_id root_runner_id root_runner_cls "
    "new_child_context to_json from_json from_runner",
    "info": "app_id module config_values config_filepath module_filepath app_variable to_json from_json from_app",
}
DEFAULTS: dict[str, dict[str, Any]] = {
    # Decisions O-1 and O-3 differ from pynenc: the serializer, and the components that follow the store.
    "config_pynenc.ConfigPynenc": {
        "app_id": "pynenc", "serializer_cls": "JsonSerializer", "runner_cls": "DummyRunner", "logging_level": "info",
        "dev_mode_force_sync_tasks": False, "max_pending_seconds": 5.0, "trigger_cls": "MemTrigger",
        "client_data_store_cls": "MemClientDataStore", "trigger_task_modules": (), "print_arguments": True,
        "truncate_arguments_length": 32, "argument_print_mode": "TRUNCATED", "cached_status_time": 0.1,
        "compact_log_context": True, "log_use_colors": True, "log_stream": "stderr", "log_format": "text",
        "atomic_service_interval_minutes": 5.0, "atomic_service_spread_margin_minutes": 1.0,
        "atomic_service_check_interval_minutes": 0.5, "atomic_service_execution_retention_minutes": 60.0,
        "atomic_service_execution_max_records": 1000, "atomic_service_max_start_slot_fraction": 0.5,
        "atomic_service_membership_stabilization_minutes": 0.0, "atomic_service_min_run_margin_seconds": 0.05,
        "recover_pending_invocations_cron": "*/5 * * * *", "recover_running_invocations_cron": "*/15 * * * *",
        "runner_considered_dead_after_minutes": 10.0, "orchestrator_cls": "", "broker_cls": "", "state_backend_cls": "",
    },
    "config_runner.ConfigRunner": {
        "invocation_wait_results_sleep_time_sec": 0.1, "runner_loop_sleep_time_sec": 0.1, "min_parallel_slots": 1,
        "queues": (), "queue_selection_strategy": "round_robin",
    },
    "config_runner.ConfigThreadRunner": {
        "invocation_wait_results_sleep_time_sec": 0.01, "runner_loop_sleep_time_sec": 0.01,
        "min_threads": 1, "max_threads": 0,
    },
    "config_runner.ConfigMultiThreadRunner": {
        "min_threads": 1, "max_threads": 1, "min_processes": 1, "max_processes": 0, "idle_timeout_process_sec": 4,
        "enforce_max_processes": False,
    },
    "config_runner.ConfigPersistentProcessRunner": {"num_processes": 0, "min_threads": 1, "max_threads": 0},
    "config_task.ConfigTask": {
        "auto_parallel_batch_size": 0, "parallel_batch_size": 100, "max_retries": 0, "running_concurrency": "disabled",
        "registration_concurrency": "disabled", "key_arguments": (), "on_diff_non_key_args_raise": False,
        "call_result_cache": False, "disable_cache_args": (), "reroute_on_concurrency_control": False,
        "queue": "default", "priority": 0.0,
    },
    "config_orchestrator.ConfigOrchestrator": {
        "blocking_control": True, "auto_final_invocation_purge_hours": 24.0, "cycle_control": True,
        "max_pending_resolution_threads": 50, "redis_retry_base_delay_sec": 0.1, "redis_retry_max_delay_sec": 1.0,
    },
    "config_broker.ConfigBroker": {
        "queue_timeout_sec": 0.1, "queues": ("default",), "priority_rules": (), "warn_on_queue_mismatch": True,
        "raise_on_queue_mismatch": False,
    },
    "config_state_backend.ConfigStateBackend": {"pagination_batch_size": 100},
    "config_client_data_store.ConfigClientDataStore": {
        "disable_client_data_store": False, "min_size_to_cache": 1024, "max_size_to_cache": 0,
        "local_cache_size": 1024, "warn_threshold": 10485760, "compression_enabled": False,
    },
    "config_trigger.ConfigTrigger": {
        "scheduler_interval_seconds": 60, "enable_scheduler": True, "max_events_batch_size": 100,
        "event_retention_days": 7, "event_auto_purge_enabled": True, "event_max_records": 0,
        "trigger_run_max_records": 0,
    },
    "config_sqlite.ConfigSQLite": {"sqlite_db_path": ""},
    "config_redis.ConfigRedis": {
        "redis_username": "", "redis_password": "", "redis_host": "localhost", "redis_port": 6379, "redis_db": 0,
        "redis_url": "", "socket_timeout": 5.0, "socket_connect_timeout": 5.0, "health_check_interval": 30,
        "max_connection_attempts": 3, "redis_pool_max_connections": 100, "redis_pool_health_check_interval": 30.0,
    },
}  # fmt: skip
BUILDER: dict[str, dict[str, Any]] = {
    "app_id": {}, "memory": {}, "sqlite": {"path": None}, "redis": {"url": None, "db": None},
    "mem_client_data_store": {"min_size_to_cache": 1024, "local_cache_size": 1024}, "disable_client_data_store": {},
    "redis_client_data_store": {}, "redis_trigger": {},
    "mem_trigger": {"scheduler_interval_seconds": 60, "enable_scheduler": True},
    "multi_thread_runner": {"min_threads": 1, "max_threads": 1, "enforce_max_processes": False},
    "persistent_process_runner": {"num_processes": 0}, "thread_runner": {"min_threads": 1, "max_threads": 0},
    "process_runner": {}, "dummy_runner": {}, "dev_mode": {"force_sync_tasks": True},
    "logging": {"level": None, "stream": None, "colors": None, "fmt": None}, "logging_level": {},
    "logging_colors": {}, "logging_stream": {}, "logging_format": {},
    "runner_tuning": {"runner_loop_sleep_time_sec": 0.01, "invocation_wait_results_sleep_time_sec": 0.01,
                      "min_parallel_slots": 1},
    "task_control": {"blocking_control": False, "queue_timeout_sec": 0.1}, "serializer_json_pickle": {},
    "serializer_json": {}, "serializer_pickle": {},
    "concurrency_control": {"running_concurrency": None, "registration_concurrency": None}, "max_pending_seconds": {},
    "argument_print_mode": {"truncate_length": 32}, "hide_arguments": {}, "show_argument_keys": {},
    "show_full_arguments": {}, "show_truncated_arguments": {"truncate_length": 32}, "custom_config": {},
    "trigger_task_modules": {}, "build": {}, "register_plugin_method": {}, "register_plugin_validator": {},
}  # fmt: skip
OPTIONS = (
    "auto_parallel_batch_size parallel_batch_size retry_for max_retries running_concurrency registration_concurrency "
    "key_arguments on_diff_non_key_args_raise call_result_cache disable_cache_args triggers force_new_workflow "
    "reroute_on_concurrency_control queue priority is_workflow_task"
)
BASES = {
    "PynencError": "Exception", "RetryError": "PynencError", "ConcurrencyRetryError": "RetryError",
    "SerializationError": "PynencError", "TaskError": "PynencError", "InvalidTaskOptionsError": "TaskError",
    "TaskParallelProcessingError": "TaskError", "TaskRoutingError": "TaskError",
    "InvocationConcurrencyWithDifferentArgumentsError": "TaskRoutingError", "InvocationError": "PynencError",
    "StateBackendError": "PynencError", "InvocationNotFoundError": "StateBackendError", "RunnerError": "PynencError",
    "RunnerNotExecutableError": "PynencError", "AlreadyInitializedError": "PynencError", "ConfigError": "PynencError",
    "ConfigMultiInheritanceError": "ConfigError", "AtomicServiceConfigError": "ConfigError",
    "TriggerConfigError": "ConfigError", "InvocationStatusError": "PynencError",
    "InvocationStatusTransitionError": "InvocationStatusError", "CycleDetectedError": "PynencError",
    "InvocationStatusOwnershipError": "InvocationStatusError", "PendingInvocationLockError": "PynencError",
    "InvocationStatusRaceConditionError": "InvocationStatusError", "InvocationConcurrencyControlledError": "KeyError",
}  # fmt: skip
INVOCATIONS = {
    "DistributedInvocation": "BaseInvocation", "ReusedInvocation": "DistributedInvocation",
    "TaskInvocation": "DistributedInvocation", "WorkflowInvocation": "DistributedInvocation",
    "ConcurrentInvocation": "BaseInvocation", "SynchronousInvocation": "ConcurrentInvocation",
}  # fmt: skip


@pytest.fixture(params=["memory", "sqlite"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/names.db"
    app = Pynenc(f"names-{tmp_path.name}-{request.param}", config_values={"store_url": url})
    task = app.task(load_jobs)
    call = Call(task, task.args())
    invocation = task()
    [history] = app.state_backend.get_history(invocation)
    return {
        "app": app,
        "task": task,
        "runner": ThreadRunner(app),
        "invocation": invocation,
        "group": task.parallelize([()]),
        "call": call,
        "history": history,
        "context": RunnerContext("ThreadRunner"),
        "info": app.state_backend.get_app_info(),
    }


@pytest.mark.parametrize(("module", "name"), [(module, name) for module in NAMES for name in NAMES[module].split()])
def test_a_name_of_the_contract_can_be_imported(module: str, name: str) -> None:
    getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("module", NAMES)
def test_a_module_path_of_the_contract_can_be_imported(module: str) -> None:
    assert importlib.import_module(module).__doc__


@pytest.mark.parametrize(("path", "name"), [(path, name) for path in MEMBERS for name in MEMBERS[path].split()])
def test_a_member_of_the_contract_is_there_on_every_store(scene: dict[str, Any], path: str, name: str) -> None:
    first, *rest = path.split(".")
    owner = scene[first]
    for step in rest:
        owner = getattr(owner, step)
    getattr(owner, name)


@pytest.mark.parametrize("name", BUILDER)
def test_the_builder_has_the_method_with_its_documented_defaults(name: str) -> None:
    parameters = inspect.signature(getattr(PynencBuilder, name)).parameters
    assert {given: parameters[given].default for given in BUILDER[name]} == BUILDER[name]


@pytest.mark.parametrize("name", OPTIONS.split())
def test_a_task_has_the_option_and_leaving_it_out_or_none_is_the_same(scene: dict[str, Any], name: str) -> None:
    assert scene["app"].task(**{name: None})(load_jobs).options == {}


@pytest.mark.parametrize("name", BASES)
def test_an_exception_is_caught_by_what_catches_it_in_pynenc(name: str) -> None:
    base = getattr(exceptions, BASES[name], None) or getattr(builtins, BASES[name])
    assert issubclass(getattr(exceptions, name), base)


@pytest.mark.parametrize("name", INVOCATIONS)
def test_an_invocation_class_is_below_that_of_pynenc(name: str) -> None:
    module = importlib.import_module("pynenc.invocation")
    assert issubclass(getattr(module, name), getattr(module, INVOCATIONS[name]))


def test_the_statuses_are_those_of_pynenc_and_cancelled() -> None:
    assert " ".join(sorted(InvocationStatus)) == (
        "cancelled concurrency_controlled concurrency_controlled_final failed killed paused pending pending_recovery "
        "registered rerouted retry running running_recovery success"
    )
    assert " ".join(ConcurrencyControlType) == "disabled task arguments keys"


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
        lambda app, task: importlib.import_module("pynenc.workflow").WorkflowTask(app, load_jobs),
        lambda app, task: importlib.import_module("pynenc.trigger").EventRecord(),
    ],
)
def test_a_feature_that_is_not_offered_raises_an_error(scene: dict[str, Any], use: Callable[[Any, Any], Any]) -> None:
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
