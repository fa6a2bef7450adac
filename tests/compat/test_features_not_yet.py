"""Documented features of pynenc that do not run here yet, with reasons. A feature that runs leaves this list."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from pynenc import Pynenc, PynencBuilder
from pynenc.cli.main import main
from pynenc.exceptions import NotOfferedError

TRIGGERS, WORKFLOWS, MONITOR, DATA = "triggers", "workflows", "the web monitor and its reads", "the client data store"
OTHER_STORES = "stores that are not offered"


def work(number: int) -> int:
    return number


def _conditions(app: Any) -> None:
    importlib.import_module("pynenc.trigger").TriggerBuilder().on_cron("0 3 * * *")


def _decorated(app: Any) -> None:
    app.task(triggers=["a trigger"])(work)


REFUSED: list[tuple[str, str, Callable[[Any], Any]]] = [
    ("a task on a schedule", TRIGGERS, _conditions),
    ("a task with triggers", TRIGGERS, _decorated),
    ("the helper on_cron", TRIGGERS, lambda app: importlib.import_module("pynenc.trigger").on_cron("0 3 * * *")),
    ("the helper on_event", TRIGGERS, lambda app: importlib.import_module("pynenc.trigger").on_event("sold")),
    ("the helper on_status", TRIGGERS, lambda app: importlib.import_module("pynenc.trigger").on_status(app.task(work))),
    ("emitting an event", TRIGGERS, lambda app: app.trigger.emit_event("sold", {"item": 1})),
    ("reading an event", TRIGGERS, lambda app: app.trigger.get_event("an-id")),
    ("reading trigger runs", TRIGGERS, lambda app: app.trigger.get_trigger_runs_for_event("an-id")),
    ("a workflow", WORKFLOWS, lambda app: app.workflow(work)),
    ("a workflow by its old option", WORKFLOWS, lambda app: app.task(force_new_workflow=True)(work)),
    ("a workflow invocation", WORKFLOWS, lambda app: importlib.import_module("pynenc.invocation").WorkflowInvocation()),
    ("writing data of a workflow", WORKFLOWS, lambda app: app.state_backend.set_workflow_data("w", "k", 1)),
    ("reading data of a workflow", WORKFLOWS, lambda app: app.state_backend.get_workflow_data("w", "k")),
    ("records of an elected service", MONITOR, lambda app: importlib.import_module("pynenc.runner").AtomicServiceRun()),
    ("MongoDB", OTHER_STORES, lambda app: PynencBuilder().mongo("mongodb://host")),
    ("RabbitMQ", OTHER_STORES, lambda app: PynencBuilder().rabbitmq_broker("amqp://host")),
]
"""Missing features that raise an error: the feature, the reason, and a use."""

PATHS: list[tuple[str, str]] = [
    *(
        (f"pynenc.trigger.{name}", TRIGGERS)
        for name in (
            "trigger_builder", "trigger_context", "trigger_definitions", "trigger_events", "types", "monitoring",
            "conditions", "conditions.event", "conditions.exception", "conditions.result", "arguments",
        )
    ),
    *((f"pynenc.workflow.{name}", WORKFLOWS) for name in ("workflow_identity", "workflow_deterministic")),
    ("pynenc.monitor", MONITOR),
]  # fmt: skip
"""Missing module paths: the path and the reason."""

MEMBERS: list[tuple[str, str, str]] = [
    ("state_backend", "iter_invocations_in_timerange", MONITOR),
    ("state_backend", "iter_history_in_timerange", MONITOR),
    ("state_backend", "store_runner_context", MONITOR),
    ("state_backend", "get_runner_context", MONITOR),
    ("state_backend", "get_invocations_by_parent_event", TRIGGERS),
    ("state_backend", "get_all_workflow_runs", WORKFLOWS),
    ("trigger", "register_task_triggers", TRIGGERS),
]
"""Missing attributes: the component, the name and the reason."""


@pytest.fixture
def app() -> Pynenc:
    return Pynenc("features-not-yet", {"store_url": "memory://"})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("feature", "waits_for", "use"), REFUSED)
def test_a_feature_that_is_not_there_raises_an_error(app: Pynenc, feature: str, waits_for: str, use: Any) -> None:
    with pytest.raises(NotOfferedError, match="this build"):
        use(app)


@pytest.mark.parametrize(("path", "waits_for"), PATHS)
def test_a_module_path_that_is_not_there_yet(path: str, waits_for: str) -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(path)


@pytest.mark.parametrize(("component", "name", "waits_for"), MEMBERS)
def test_an_attribute_that_is_not_there_yet(app: Pynenc, component: str, name: str, waits_for: str) -> None:
    assert not hasattr(getattr(app, component), name)


def test_the_monitor_command_fails_as_not_offered(capsys: Any) -> None:
    assert main(["monitor", "--port", "8000"]) == 1
    assert "this build has no web monitor" in capsys.readouterr().err


def test_the_client_data_store_keeps_nothing(app: Pynenc) -> None:
    text = app.client_data_store.serialize("x" * 5000)
    assert not app.client_data_store.is_reference(text)
    assert len(text) > 5000
