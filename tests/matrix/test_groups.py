"""Groups: `parallelize`, completion order, `common_args`."""

from __future__ import annotations

import pytest
from support import flags
from support.worlds import World


def test_parallelize_takes_tuples_dicts_and_arguments(running: World) -> None:
    add = running.jobs.basics.add
    group = add.parallelize([(1, 1), {"a": 2, "b": 2}, add.args(3, b=3)])
    assert sorted(group.results) == [2, 4, 6]
    assert group.task is add
    assert len(list(group)) == len(group.invocations) == 3


def test_common_args_are_added_to_each_call(running: World) -> None:
    group = running.jobs.basics.add.parallelize([{"a": 1}, {"a": 2}], common_args={"b": 10})
    assert sorted(group.results) == [11, 12]


def test_with_common_args_all_items_must_be_dicts(world: World) -> None:
    with pytest.raises(ValueError, match="dict"):
        world.jobs.basics.add.parallelize([(1, 2)], common_args={"b": 10})
    assert world.app.orchestrator.count_invocations() == 0


def test_an_own_argument_wins_over_a_common_one(running: World) -> None:
    group = running.jobs.basics.add.parallelize([{"a": 1}, {"a": 2, "b": 100}], common_args={"b": 10})
    assert sorted(group.results) == [11, 102]


def test_results_come_in_the_order_of_completion(running: World) -> None:
    group = running.jobs.basics.until.parallelize([("first",), ("second",)])
    flags.await_flag("first-started")
    flags.await_flag("second-started")
    results = iter(group.results)
    flags.raise_flag("second", "second")
    assert next(results) == "second"
    flags.raise_flag("first", "first")
    assert next(results) == "first"
    assert next(results, None) is None


def test_an_empty_group_yields_nothing(running: World) -> None:
    assert list(running.jobs.basics.add.parallelize([]).results) == []


def test_a_failed_member_raises_at_its_turn(running: World) -> None:
    group = running.jobs.faults.raise_value_error.parallelize([("one",)])
    with pytest.raises(ValueError, match="one"):
        list(group.results)


def test_a_group_larger_than_a_batch_is_submitted_whole(running: World) -> None:
    count = 257
    group = running.jobs.basics.add.parallelize([(n, 1) for n in range(count)])
    assert sorted(group.results) == [n + 1 for n in range(count)]


def test_an_invalid_call_leaves_nothing_of_its_group_behind(world: World) -> None:
    with pytest.raises(TypeError):
        world.jobs.basics.add.parallelize([(1, 2), (3,), (4, 5)])
    assert world.app.orchestrator.count_invocations() == 0


def test_parameters_may_come_from_a_generator(running: World) -> None:
    group = running.jobs.basics.add.parallelize((n, n) for n in range(5))
    assert sorted(group.results) == [0, 2, 4, 6, 8]


def test_the_results_of_a_group_can_be_read_twice(running: World) -> None:
    group = running.jobs.basics.add.parallelize([(n, 0) for n in range(5)])
    assert sorted(group.results) == sorted(group.results) == [0, 1, 2, 3, 4]
