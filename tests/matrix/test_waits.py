"""Waiting inside bodies: no slot held, no cycle waited for."""

from __future__ import annotations

import random
from typing import Any

import pytest
from support import flags
from support.chaos import size
from support.worlds import RUNNERS, STORES, TOPOLOGIES, World, make_world

from pynenc.exceptions import CycleDetectedError

FULL = size() == "full"
"""Whether every runner gets the sizes of the issue, which take minutes where each invocation is a process."""

STYLES = ["results", "group", "timeout", "one by one"]


def test_bodies_wait_for_bodies(running: World) -> None:
    assert running.jobs.waits.sum_of_group(list(range(10))).result == 45
    assert running.jobs.waits.fan_out(3, 3).result == 27
    assert running.jobs.waits.chain(20).result == 20


def test_two_clients_wait_for_the_same_invocation(running: World) -> None:
    held = running.jobs.basics.until("gate")
    waiters = [running.jobs.waits.wait_for_id(held.invocation_id) for _ in range(5)]
    flags.raise_flag("gate", "seen by all")
    assert [waiter.result for waiter in waiters] == ["seen by all"] * 5


def test_a_failure_passes_through_the_wait(running: World) -> None:
    failing = running.jobs.faults.raise_value_error("from below")
    with pytest.raises(ValueError, match="from below"):
        running.jobs.waits.wait_for_id(failing.invocation_id).result


def test_a_wait_inside_a_body_can_time_out_and_the_body_goes_on(running: World) -> None:
    held = running.jobs.basics.until("gate")
    assert running.jobs.waits.give_up_after(held.invocation_id, 0.2).result == "InvocationTimeoutError"
    flags.raise_flag("gate")
    assert running.jobs.waits.give_up_after(held.invocation_id, 60.0).result == "no timeout"


def test_a_waiting_invocation_is_paused(running: World) -> None:
    held = running.jobs.basics.until("gate")
    waiter = running.jobs.waits.wait_for_id(held.invocation_id)
    running.await_status(waiter, "paused")
    flags.raise_flag("gate", "done")
    assert waiter.result == "done"
    statuses = [str(entry.status) for entry in running.app.state_backend.get_history(waiter.invocation_id)]
    assert statuses == ["registered", "pending", "running", "paused", "running", "success"]


def test_waiting_for_oneself_is_a_cycle(running: World) -> None:
    invocation = running.jobs.waits.wait_for_myself()
    with pytest.raises(CycleDetectedError):
        invocation.get_result(timeout=60)
    assert running.jobs.basics.add(1, 1).result == 2


def test_waiting_for_each_other_is_a_cycle(running: World) -> None:
    one = running.jobs.waits.wait_for_each_other("one", "two")
    two = running.jobs.waits.wait_for_each_other("two", "one")
    for invocation in (one, two):
        with pytest.raises(CycleDetectedError):
            invocation.get_result(timeout=60)


def test_threads_of_one_body_may_wait_at_the_same_time(one_slot: World) -> None:
    for round_ in range(10):
        values = list(range(round_, round_ + 4))
        assert one_slot.jobs.waits.sum_by_threads(values).get_result(timeout=60) == sum(values)
        assert one_slot.jobs.waits.sum_by_a_pool(values).get_result(timeout=60) == sum(values)


@pytest.fixture(
    params=[
        pytest.param((store, kind), id=f"{store.name}-{kind.name}")
        for store in [*STORES, *TOPOLOGIES]
        for kind in RUNNERS
        if kind.name != "user" and (store.shared or kind.in_process) and (store in STORES or kind.name == "thread")
    ]
)
def one_slot(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    """Each built-in runner with a single slot, on each store that it can use."""
    store, kind = request.param
    world = make_world(store, kind, monkeypatch, tmp_path)
    runner = world.start(slots=1)
    assert runner.max_parallel_slots == 1
    yield world
    world.close()


def _size(one_slot: World, in_process: int, in_workers: int, fresh_process: int) -> int:
    """How much of a scenario this runner gets: a process per invocation takes ten times as long."""
    if one_slot.runner_kind.in_process:
        return in_process
    return in_workers if FULL or one_slot.runner_kind.name != "process" else fresh_process


def test_fib_by_recursion_of_tasks_on_one_slot(one_slot: World) -> None:
    n = _size(one_slot, 16, 12, 8)
    assert one_slot.jobs.waits.fib(n).result == {16: 987, 12: 144, 8: 21}[n]


def test_a_long_chain_of_nested_waits_on_one_slot(one_slot: World) -> None:
    depth = _size(one_slot, 300, 200, 50)
    assert one_slot.jobs.waits.chain(depth).result == depth


def test_a_chain_of_coroutines_on_one_slot(one_slot: World) -> None:
    node: dict[str, Any] = {"value": 1, "children": []}
    for _ in range(30):
        node = {"value": 1, "children": [node]}
    assert one_slot.jobs.waits.walk_async(node).result == 31


def _random_graph(chance: random.Random, depth: int) -> dict[str, Any]:
    width = chance.choice([0, 0, 1, 2, 3]) if depth else 0
    return {
        "value": chance.randrange(1000),
        "style": chance.choice(STYLES),
        "children": [_random_graph(chance, depth - 1) for _ in range(width)],
    }


def _total(node: dict[str, Any]) -> int:
    return node["value"] + sum(_total(child) for child in node["children"])


def test_random_graphs_of_tasks_on_one_slot(one_slot: World, seed: int) -> None:
    print(f"seed of the graphs: {seed}")
    chance = random.Random(seed)
    graphs = [_random_graph(chance, depth=4) for _ in range(_size(one_slot, 200, 200 if FULL else 50, 8))]
    invocations = [one_slot.jobs.waits.walk(graph) for graph in graphs]
    for number, (graph, invocation) in enumerate(zip(graphs, invocations, strict=True)):
        assert invocation.result == _total(graph), f"graph {number} of seed {seed}"


def test_a_cycle_on_one_slot_fails_instead_of_hanging(one_slot: World) -> None:
    waits = one_slot.jobs.waits
    for invocation in (waits.wait_for_myself(), waits.wait_for_a_child_that_waits_for_me()):
        with pytest.raises(CycleDetectedError):
            invocation.get_result(timeout=60)
    assert one_slot.jobs.basics.add(1, 1).result == 2


def test_a_cycle_through_a_concurrency_key_on_one_slot_fails_instead_of_hanging(one_slot: World) -> None:
    with pytest.raises(CycleDetectedError):
        one_slot.jobs.controls.holder_waits_for_blocked(1).get_result(timeout=60)
    assert one_slot.jobs.basics.add(1, 1).result == 2
