"""The behaviour of contract names, beyond their existence."""

from __future__ import annotations

import asyncio
import logging
import pickle
from pathlib import Path
from typing import Any

import pytest
from support.jobs import shapes

from pynenc import Pynenc
from pynenc.app_info import AppInfo
from pynenc.call import Call, LazyCall, PreSerializedCall
from pynenc.conf.config_runner import ConfigRunner
from pynenc.exceptions import AlreadyInitializedError, ConfigError, NotOfferedError, SerializationError
from pynenc.invocation import ConcurrentInvocation


def _app(**settings: Any) -> Pynenc:
    app = Pynenc(app_id="contract", config_values={"store_url": "memory://", **settings})
    return app


# -- calls that are decoded late ---------------------------------------------------------------------------------------


def test_a_lazy_call_decodes_by_the_annotations_when_it_is_looked_at() -> None:
    task = _app().task(shapes.dated)
    call = Call(task, task.args(shapes.DAY, 2))
    lazy = LazyCall(task, call.serialized_arguments)
    assert lazy.arguments.kwargs == {"day": shapes.DAY, "times": 2}
    assert lazy.call_id == call.call_id
    with pytest.raises(SerializationError):
        LazyCall(task, {"day": '"no day"'}).arguments


def test_values_win_over_texts_in_a_call_with_both() -> None:
    task = _app().task(shapes.dated)
    call = PreSerializedCall(task, {"times": 3}, {"day": f'"{shapes.DAY}"', "times": "9"})
    assert call.arguments.kwargs == {"day": shapes.DAY, "times": 3}
    assert call.serialized_arguments == {"day": f'"{shapes.DAY}"', "times": "3"}


# -- settings ----------------------------------------------------------------------------------------------------------


class _Field:
    """Quacks like a field of the library that pynenc's settings are declared with."""

    def __init__(self, default: Any, mapper: Any = None) -> None:
        self.default_value = default
        self.mapper = mapper


class _OwnConfig(ConfigRunner):
    plain = _Field(5)
    mapped = _Field([], lambda text: text.split("+") if isinstance(text, str) else list(text))


def test_fields_of_another_library_are_settings_with_their_mapper(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (_OwnConfig().plain, _OwnConfig().mapped) == (5, [])
    monkeypatch.setenv("PYNENC__PLAIN", "7")
    monkeypatch.setenv("PYNENC__MAPPED", "a+b")
    assert (_OwnConfig().plain, _OwnConfig().mapped) == (7, ["a", "b"])
    monkeypatch.setenv("PYNENC__PLAIN", "many")
    with pytest.raises(ConfigError, match="PYNENC__PLAIN"):
        _OwnConfig().plain


def test_a_setting_that_nobody_knows_is_warned_of_with_what_was_meant() -> None:
    with pytest.warns(UserWarning, match=r"'leese_sec' \(from config_values\).*lease_sec"):
        _app(leese_sec=3).orchestrator.count_invocations()


def test_a_setting_that_was_read_for_good_cannot_be_assigned_any_more() -> None:
    app = _app()
    app.conf.logging_level = "error"
    assert app.logger.getEffectiveLevel() == logging.ERROR
    app.conf.logging_level = "debug"
    assert app.logger.getEffectiveLevel() == logging.DEBUG
    app.orchestrator.count_invocations()
    with pytest.raises(AlreadyInitializedError, match="store_url"):
        app.conf.store_url = "sqlite:///elsewhere.db"
    assert app.conf.store_url == "memory://"


# -- priorities by rule ------------------------------------------------------------------------------------------------


def test_priority_rules_decide_the_order_of_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__CONFIGBROKER__PRIORITY_RULES", "*.urgent=7,*.ur*=3")
    app = _app()
    calm, urgent = app.task(priority=1)(shapes.calm), app.task(shapes.urgent)
    assert (calm.broker_priority, urgent.broker_priority) == (1, 7)
    later, sooner = calm(), urgent()
    taken = list(app.orchestrator.get_invocations_to_run(2))
    assert [one.invocation_id for one in taken] == [sooner.invocation_id, later.invocation_id]


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({"queue_name": "a queue"}, r"queue_name must match .*, got 'a queue'"),
        ({"queue_name": ""}, r"queue_name must match .*, got ''"),
        ({"priority": 101}, "priority must be a number from -100 to 100, got 101"),
        ({"priority": float("nan")}, "got nan"),
    ],
)
def test_a_queue_or_priority_that_no_task_can_have_is_refused_when_an_invocation_is_routed(
    where: dict[str, Any], words: str
) -> None:
    app = _app()
    app.task(shapes.calm)()
    claimed = app.broker.retrieve_invocation()
    for route in (app.broker.route_invocation, lambda one, **where: app.broker.route_invocations([one], **where)):
        with pytest.raises(ValueError, match=words):
            route(claimed, **where)
    assert app.broker.count_invocations() == 0
    app.broker.route_invocation(claimed, queue_name="any", priority=-100)
    assert app.broker.count_invocations() == 1


# -- what this build does not have -------------------------------------------------------------------------------------


def test_triggers_are_refused_with_what_to_do_instead() -> None:
    app = _app()
    with pytest.raises(NotOfferedError, match="Call the task where the event happens"):
        app.trigger.emit_event("sold")
    assert app.trigger.get_events() == []


@pytest.mark.filterwarnings("ignore:.*force_new_workflow is deprecated:DeprecationWarning")
@pytest.mark.parametrize("option", ["is_workflow_task", "force_new_workflow"])
def test_a_task_that_is_declared_a_workflow_is_refused_and_one_that_is_not_is_a_task(option: str) -> None:
    app = _app()
    for value in (False, None):
        task = app.task(**{option: value})(shapes.calm)
        assert not task.is_workflow_root_task
        assert task().status == "registered"
    with pytest.raises(NotOfferedError, match=f"declared with {option}: this build has no workflows"):
        app.task(**{option: True})(shapes.calm)


# -- apps --------------------------------------------------------------------------------------------------------------


def test_the_apps_of_this_process_on_the_same_store_are_discovered(tmp_path: Path) -> None:
    here, elsewhere = f"sqlite:///{tmp_path}/here.db", f"sqlite:///{tmp_path}/elsewhere.db"
    one, two = Pynenc("one", {"store_url": here}), Pynenc("two", {"store_url": here})
    Pynenc("three", {"store_url": elsewhere})
    alone = Pynenc("four", {"store_url": "memory://"})
    Pynenc("five", {"store_url": "memory://"})
    for app in (one, two):
        found = app.state_backend.discover_app_infos()
        assert set(found) == {"one", "two"}
        assert Pynenc.from_info(found["two"]) is two
    assert set(alone.state_backend.discover_app_infos()) == {"four"}


def test_an_app_of_another_process_is_handed_over_and_not_stored(tmp_path: Path) -> None:
    app = Pynenc("here", {"store_url": f"sqlite:///{tmp_path}/here.db"})
    info = AppInfo("there", config_values={"store_url": f"sqlite:///{tmp_path}/here.db"})
    with pytest.raises(NotOfferedError, match=r"'there' would be lost. Hand AppInfo\.to_json\(\)"):
        app.state_backend.store_app_info(info)
    app.state_backend.store_app_info(app.state_backend.get_app_info())
    assert Pynenc.from_info(AppInfo.from_json(info.to_json())).app_id == "there"


# -- dev mode ----------------------------------------------------------------------------------------------------------


def _dev_app() -> Pynenc:
    return _app(dev_mode_force_sync_tasks=True)


def test_an_invocation_can_be_awaited_twice_at_once_in_dev_mode() -> None:
    task = _dev_app().task(shapes.nap)

    async def main() -> list[int]:
        invocation = task(0.01)
        return await asyncio.gather(invocation.async_result(), invocation.async_result())

    assert asyncio.run(main()) == [1, 1]


def test_a_wait_that_is_cancelled_ends_without_the_body_in_dev_mode() -> None:
    task = _dev_app().task(shapes.nap)

    async def main() -> int:
        invocation = task(0.05)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(invocation.async_result(), 0.005)
        return await invocation.async_result()

    assert asyncio.run(main()) == 1


def test_invocations_of_dev_mode_are_picklable_with_their_outcome() -> None:
    invocation = _dev_app().task(shapes.calm)()
    assert invocation.result == "calm"
    copy = pickle.loads(pickle.dumps(invocation))
    assert isinstance(copy, ConcurrentInvocation)
    assert (copy.invocation_id, copy.result) == (invocation.invocation_id, "calm")


# -- what was submitted before an error --------------------------------------------------------------------------------


def test_handles_of_what_was_submitted_before_an_error_are_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    app = _app(parallel_batch_size=2)
    task = app.task(shapes.calm)
    store, submissions = app._runtime.store, []

    class Failing:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def submit(self, *arguments: Any) -> Any:
            if submissions:
                raise ConnectionError("gone")
            submissions.append(arguments)
            return store.submit(*arguments)

    monkeypatch.setattr(type(app._runtime), "store", Failing())
    with pytest.raises(ConnectionError) as raised:
        task.parallelize([()] * 5)
    assert 0 < len(raised.value.submitted) < 5  # type: ignore[attr-defined]
    assert "were submitted, and run" in raised.value.__notes__[0]


@pytest.mark.parametrize("timeout", [float("nan"), "1"])
def test_a_timeout_that_is_no_number_is_refused(timeout: Any) -> None:
    invocation = _app().task(shapes.calm)()
    with pytest.raises((TypeError, ValueError), match="timeout"):
        invocation.get_result(timeout=timeout)
