"""How often Python calls into the extension: the budget of the design, counted."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support import flags
from support.crossings import Crossings, counting
from support.waiting import wait_until
from support.worlds import World

from pynenc.exceptions import InvocationTimeoutError


@pytest.fixture
def world(thread_world: World) -> World:
    thread_world.app.orchestrator.count_invocations()
    return thread_world


@pytest.fixture
def crossings() -> Iterator[Crossings]:
    with counting() as counted:
        yield counted


def test_a_call_crosses_once(world: World, crossings: Crossings) -> None:
    before = crossings.counts()
    world.jobs.basics.add(1, 2)
    assert crossings.during(before) == {"Store.submit": 1}


@pytest.mark.parametrize(("count", "batches"), [(1, 1), (100, 1), (250, 3)])
def test_a_group_crosses_once_per_batch(world: World, crossings: Crossings, count: int, batches: int) -> None:
    before = crossings.counts()
    world.jobs.basics.add.parallelize([(n, n) for n in range(count)])
    assert crossings.during(before) == {"Store.submit": batches}


def test_a_handle_costs_nothing(world: World, crossings: Crossings) -> None:
    from pynenc.invocation import DistributedInvocation

    invocation = world.jobs.basics.add(1, 2)
    before = crossings.counts()
    handle = DistributedInvocation(world.app, invocation.invocation_id)
    assert handle == invocation
    assert hash(handle) == hash(invocation)
    assert crossings.during(before) == {}


def test_an_invocation_costs_its_runner_one_next_and_one_settle(world: World, crossings: Crossings) -> None:
    count = 200
    group = world.jobs.basics.add.parallelize([(n, n) for n in range(count)])
    before = crossings.counts()
    runner = world.start(slots=2)
    # No client waits, so the counts are the runner's own.
    done = threading.Event()
    while world.app.orchestrator.count_invocations(statuses=["success"]) < count:
        done.wait(0.01)
    world.stop()
    spent = crossings.during(before)
    assert spent["Engine.settle"] == count
    # The last crossing of each thread tells it to end; threads beyond the slots are spare.
    threads = next(runner._session.slot_threads.numbers)
    assert count <= spent["Engine.next"] <= count + threads
    assert threads <= 2 * runner.max_parallel_slots + 4
    for verb in ("begin", "settle_now", "claim", "park", "unpark"):
        assert f"Engine.{verb}" not in spent
    for verb in ("claim", "begin", "settle", "get", "status", "history"):
        assert f"Store.{verb}" not in spent
    assert len(group.invocations) == count


def test_a_wait_crosses_as_often_for_many_ids_as_for_one(world: World, crossings: Crossings) -> None:
    world.start(slots=2)
    one = world.jobs.basics.add(1, 1)
    many = world.jobs.basics.add.parallelize([(n, n) for n in range(300)])
    wait_until(lambda: world.app.orchestrator.count_invocations(statuses=["success"]) == 301)

    def cost(read: Any) -> int:
        before = crossings.counts()
        read()
        return sum(spent for name, spent in crossings.during(before).items() if name.split(".")[0] != "Engine")

    assert cost(lambda: one.result) <= 3
    assert cost(lambda: list(many.results)) <= 3
    assert cost(lambda: list(many.results)) <= 3, "a final result is remembered or read in one go"


def test_a_blocked_wait_is_one_call(world: World, crossings: Crossings) -> None:
    world.start(slots=1)
    held = world.jobs.basics.until("gate")
    flags.await_flag("gate-started")
    threading.Timer(0.5, flags.raise_flag, ("gate", "through")).start()
    before = crossings.counts()
    assert held.result == "through"
    spent = crossings.during(before)
    assert spent["Store.waiter"] == 1
    assert spent["Waiter.wait"] == 1


@pytest.mark.alone
def test_an_idle_runner_crosses_once_per_second_to_supervise_and_not_at_all_to_work(
    world: World, crossings: Crossings
) -> None:
    world.start(slots=2)
    assert world.jobs.basics.add(1, 1).result == 2
    # The result is out before the runner has its listener back: a spare thread may still be on its way.
    before = crossings.counts()

    def at_rest() -> bool:
        nonlocal before
        threading.Event().wait(1.5)
        spent, before = crossings.during(before), crossings.counts()
        return "Engine.next" not in spent

    wait_until(at_rest, "no thread asks for work any more")
    threading.Event().wait(2.5)
    spent = crossings.during(before)
    assert spent.pop("Engine.tend", 0) <= 4
    assert spent.pop("Engine.failing_sec", 0) <= 4
    assert spent == {}


def test_a_timeout_reads_nothing_until_its_text_is_read(world: World, crossings: Crossings) -> None:
    invocation = world.jobs.basics.add(1, 2)
    group = world.jobs.basics.add.parallelize([(1, 2), (3, 4)])
    before = crossings.counts()
    threads = threading.active_count()
    errors = []
    for wait in (invocation.get_result, group.get_results):
        with pytest.raises(InvocationTimeoutError) as raised:
            wait(timeout=0.01)
        errors.append(raised.value)
    made = crossings.during(before)
    assert {name for name in made if name.startswith("Store.")} == {"Store.waiter"}, made
    assert threading.active_count() == threads
    assert [f"{world.app._runtime.store.url}; " in str(error) for error in errors] == [True, True]
    assert [str(error) for error in errors] == [str(pickle.loads(pickle.dumps(error))) for error in errors]
