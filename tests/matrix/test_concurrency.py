"""Registration and running concurrency, in each mode."""

from __future__ import annotations

import pytest
from support import flags
from support.ledger import Ledger
from support.waiting import wait_until
from support.worlds import World

from pynenc.exceptions import InvocationConcurrencyControlledError, InvocationConcurrencyWithDifferentArgumentsError
from pynenc.invocation import InvocationStatus, ReusedInvocation


def test_without_registration_concurrency_every_call_is_new(world: World) -> None:
    first, second = (world.jobs.controls.as_often_as_asked(1) for _ in range(2))
    assert first.invocation_id != second.invocation_id
    assert world.app.orchestrator.count_invocations() == 2


def test_per_task_the_registered_call_is_reused_whatever_its_arguments(world: World) -> None:
    task = world.jobs.controls.once_per_task
    first, same, other = task(1), task(1), task(2)
    assert first.invocation_id == same.invocation_id == other.invocation_id
    assert isinstance(same, ReusedInvocation)
    assert same.diff_arg is None
    assert isinstance(other, ReusedInvocation)
    assert other.diff_arg.kwargs == {"value": 2}
    world.start()
    assert [first.result, same.result, other.result] == [1, 1, 1]


def test_per_arguments_only_the_same_call_is_reused(world: World) -> None:
    task = world.jobs.controls.once_per_arguments
    first, same, other = task(1), task(1), task(2)
    assert first.invocation_id == same.invocation_id != other.invocation_id
    assert not isinstance(other, ReusedInvocation)
    world.start()
    assert [same.result, other.result] == [1, 2]


def test_per_keys_the_other_arguments_do_not_count(world: World) -> None:
    task = world.jobs.controls.once_per_key
    first, diff, other = task("a", 1), task("a", 2), task("b", 1)
    assert first.invocation_id == diff.invocation_id != other.invocation_id
    assert diff.diff_arg.kwargs == {"key": "a", "value": 2}
    world.start()
    assert [diff.result, other.result] == [1, 1]


def test_per_keys_different_arguments_raise_when_asked_to(world: World) -> None:
    task = world.jobs.controls.once_per_key_or_error
    first = task("a", 1)
    assert task("a", 1).invocation_id == first.invocation_id
    with pytest.raises(InvocationConcurrencyWithDifferentArgumentsError) as raised:
        task("a", 2)
    assert raised.value.existing_invocation_id == first.invocation_id
    assert world.app.orchestrator.count_invocations() == 1


def test_a_finished_call_is_not_reused(running: World) -> None:
    task = running.jobs.controls.once_per_task
    first = task(1)
    assert first.result == 1
    assert task(2).result == 2


def _most_at_once(scope: str) -> int:
    inside = most = 0
    for event in Ledger.of_environment().events():
        if event.get("scope") == scope:
            inside += 1 if event["kind"] == "enter" else -1
            most = max(most, inside)
    return most


def test_per_task_bodies_run_one_at_a_time_and_all_of_them(running: World) -> None:
    names = [f"name-{n}" for n in range(5)]
    for name in names:
        flags.raise_flag(name)
    group = running.jobs.controls.one_at_a_time.parallelize([(name,) for name in names])
    assert sorted(group.results) == names
    assert _most_at_once("task") == 1


def test_a_blocked_invocation_is_parked_and_others_go_past_it(running: World) -> None:
    first = running.jobs.controls.one_at_a_time("first")
    flags.await_flag("first-inside")
    second = running.jobs.controls.one_at_a_time("second")
    assert running.jobs.basics.add(1, 1).result == 2
    assert not flags.is_raised("second-inside")
    flags.raise_flag("second")
    flags.raise_flag("first")
    assert [first.result, second.result] == ["first", "second"]


def test_calls_are_merged_with_an_equal_one_that_was_put_off(running: World) -> None:
    task = running.jobs.controls.one_at_a_time_and_once_per_arguments
    first = task("first")
    flags.await_flag("first-inside")
    put_off = [task(name) for name in ("second", "third")]
    for invocation in put_off:
        wait_until(lambda: invocation.status is InvocationStatus.CONCURRENCY_CONTROLLED, "the place in the line")
    again = [task(name) for name in ("second", "third") * 3]
    assert {one.invocation_id for one in again} == {one.invocation_id for one in put_off}
    for name in ("first", "second", "third"):
        flags.raise_flag(name)
    assert [one.result for one in [first, *put_off, *again]] == ["first", *["second", "third"] * 4]
    assert running.app.orchestrator.count_invocations() == 3


def test_per_arguments_only_equal_calls_exclude_each_other(running: World) -> None:
    task = running.jobs.controls.one_per_arguments
    invocations = [task("same"), task("other"), task("same")]
    flags.await_flag("same-inside")
    flags.await_flag("other-inside")
    flags.raise_flag("other")
    flags.raise_flag("same")
    assert [invocation.result for invocation in invocations] == ["same", "other", "same"]
    assert _most_at_once("same") == 1


def test_per_keys_the_key_arguments_exclude_each_other(running: World) -> None:
    task = running.jobs.controls.one_per_key
    invocations = [task("a", "one"), task("b", "two"), task("a", "three")]
    flags.await_flag("one-inside")
    flags.await_flag("two-inside")
    for name in ("one", "two", "three"):
        flags.raise_flag(name)
    assert [invocation.result for invocation in invocations] == ["one", "two", "three"]
    assert _most_at_once("a") == 1


def test_a_blocked_invocation_without_reroute_is_dropped_with_an_error(running: World) -> None:
    first = running.jobs.controls.one_or_drop("first")
    flags.await_flag("first-inside")
    dropped = running.jobs.controls.one_or_drop("dropped")
    with pytest.raises(InvocationConcurrencyControlledError) as raised:
        dropped.get_result(timeout=60)
    assert isinstance(raised.value, KeyError)
    assert dropped.status is InvocationStatus.CONCURRENCY_CONTROLLED_FINAL
    assert not flags.is_raised("dropped-inside")
    flags.raise_flag("first")
    assert first.result == "first"
    flags.raise_flag("next")
    assert running.jobs.controls.one_or_drop("next").result == "next"


def test_a_waiting_body_keeps_its_concurrency_key(running: World) -> None:
    """A cycle through a key: the child needs the place that its waiting parent holds."""
    from pynenc.exceptions import CycleDetectedError

    with pytest.raises(CycleDetectedError):
        running.jobs.controls.holder_waits_for_blocked(1).get_result(timeout=60)
    assert running.jobs.controls.holder_waits_for_blocked(0).get_result(timeout=60) == 0


def _order() -> list[str]:
    return [event["tag"] for event in Ledger.of_environment().of_kind("order")]


@pytest.mark.within_a_shard
def test_higher_priority_runs_first_and_equal_priority_in_order(world: World) -> None:
    controls = world.jobs.controls
    invocations = [
        controls.leisurely("low"),
        controls.usual("usual-1"),
        controls.usual("usual-2"),
        controls.urgent("high"),
    ]
    world.start(slots=1)
    for invocation in invocations:
        invocation.result
    assert _order() == ["high", "usual-1", "usual-2", "low"]


@pytest.mark.within_a_shard
def test_an_invocation_that_a_body_waits_for_is_claimed_first(world: World) -> None:
    controls = world.jobs.controls
    first = controls.waits_for_a_leisurely_one("waited-for")
    rest = [controls.usual(f"usual-{n}") for n in range(3)]
    world.start(slots=1)
    assert first.result == "waited-for"
    for invocation in rest:
        invocation.result
    order = _order()
    assert order.index("waited-for") < order.index("usual-2")


def test_a_runner_serves_only_its_queues(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__CONFIGRUNNER__QUEUES", "default")
    slow, usual = world.jobs.controls.in_slow_lane("slow"), world.jobs.controls.usual("usual")
    world.start(slots=1)
    assert usual.result == "usual"
    assert slow.status is InvocationStatus.REGISTERED
    assert world.app.broker.count_invocations(["slow-lane"]) == 1
    world.stop()
    monkeypatch.setenv("PYNENC__CONFIGRUNNER__QUEUES", "slow-lane,default")
    world.start(slots=1)
    assert slow.result == "slow"
    wait_until(lambda: world.app.broker.count_invocations(["slow-lane"]) == 0)


def test_with_no_queues_configured_a_runner_serves_all(running: World) -> None:
    assert running.jobs.controls.in_slow_lane("slow").result == "slow"
