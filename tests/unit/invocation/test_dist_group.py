"""Groups: one wait for many invocations."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from support.worlds import STORES, load_jobs, set_environment

from pynenc.exceptions import InvocationNotFoundError, InvocationTimeoutError
from pynenc.invocation import DistributedInvocation, DistributedInvocationGroup


@pytest.fixture(params=STORES, ids=lambda kind: kind.name)
def jobs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Any]:
    set_environment(monkeypatch, tmp_path, request.param)
    jobs = load_jobs()
    yield jobs
    jobs.app._runtime.store.close()


def run(jobs: Any, count: int = 100) -> None:
    for invocation in list(jobs.app.orchestrator.get_invocations_to_run(count)):
        invocation.run()


def test_results_come_as_they_finish(jobs: Any) -> None:
    group = jobs.basics.add.parallelize([(n, 0) for n in range(3)])
    work = list(jobs.app.orchestrator.get_invocations_to_run(3))
    results = group.results
    seen = []
    for invocation in reversed(work):
        invocation.run()
        seen.append(next(results))
    assert seen == [invocation.arguments.kwargs["a"] for invocation in reversed(work)]
    with pytest.raises(StopIteration):
        next(results)
    assert sorted(group.results) == [0, 1, 2]


def test_get_results_has_the_order_of_the_calls(jobs: Any) -> None:
    group = jobs.basics.add.parallelize([(n, 0) for n in range(5)])
    for invocation in reversed(list(jobs.app.orchestrator.get_invocations_to_run(5))):
        invocation.run()
    assert group.get_results(timeout=60) == [0, 1, 2, 3, 4]


def test_a_failure_is_raised_where_it_comes_and_the_iterator_goes_on(jobs: Any) -> None:
    group = jobs.faults.raise_value_error.parallelize([("one",), ("two",)])
    run(jobs)
    results, messages = group.results, []
    for _ in range(2):
        with pytest.raises(ValueError) as raised:
            next(results)
        messages.append(str(raised.value))
    assert sorted(messages) == ["one", "two"]
    with pytest.raises(StopIteration):
        next(results)
    with pytest.raises(ValueError, match="one"):
        group.get_results()


def test_an_empty_group_yields_nothing(jobs: Any) -> None:
    group = jobs.basics.add.parallelize([])

    async def collect() -> list[int]:
        return [value async for value in group.async_results()]

    assert (len(group), list(group), list(group.results), group.get_results()) == (0, [], [], [])
    assert asyncio.run(collect()) == []


def test_a_timeout_covers_the_group_and_keeps_what_has_finished(jobs: Any) -> None:
    group = jobs.basics.add.parallelize([(n, 0) for n in range(3)])
    run(jobs, 2)
    with pytest.raises(InvocationTimeoutError, match="1 of 3 invocations"):
        group.get_results(timeout=0.05)
    finished = [invocation for invocation in group if invocation._terminal is not None]
    assert len(finished) == 2
    run(jobs)
    assert group.get_results(timeout=60) == [0, 1, 2]


def test_several_objects_for_one_invocation_each_yield_its_result(jobs: Any) -> None:
    one = jobs.basics.add(20, 22)
    again = DistributedInvocation(jobs.app, str(one.invocation_id), task=jobs.basics.add)
    group = DistributedInvocationGroup(jobs.basics.add, [one, again, one])
    run(jobs)

    async def collect() -> list[int]:
        return [value async for value in DistributedInvocationGroup(jobs.basics.add, [again, again]).async_results()]

    assert list(group.results) == [42, 42, 42]
    assert asyncio.run(collect()) == [42, 42]


def test_a_purged_invocation_of_a_group_is_not_found(jobs: Any) -> None:
    group = jobs.basics.add.parallelize([(1, 1)])
    jobs.app.purge()
    with pytest.raises(InvocationNotFoundError):
        list(group.results)

    async def collect() -> list[int]:
        return [value async for value in group.async_results()]

    with pytest.raises(InvocationNotFoundError):
        asyncio.run(collect())
