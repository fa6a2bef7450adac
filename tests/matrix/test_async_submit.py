"""Submitting from an event loop: `await task.submit(…)` and `await task.submit_many(…)`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.worlds import World

from pynenc.exceptions import InvocationConcurrencyWithDifferentArgumentsError, SerializationError
from pynenc.invocation import DistributedInvocation, DistributedInvocationGroup, ReusedInvocation


def test_an_awaited_submission_gives_the_invocation(running: World) -> None:
    async def client() -> Any:
        invocation = await running.jobs.basics.add.submit(2, b=3)
        assert isinstance(invocation, DistributedInvocation)
        return await invocation

    assert asyncio.run(client()) == 5


def test_an_awaited_group_keeps_the_order_of_its_calls(running: World) -> None:
    async def client() -> Any:
        calls = ({"a": n} for n in range(250))
        group = await running.jobs.basics.add.submit_many(calls, common_args={"b": 1})
        assert isinstance(group, DistributedInvocationGroup)
        assert sorted([result async for result in group.async_results()]) == [n + 1 for n in range(250)]
        return group

    assert asyncio.run(client()).get_results() == [n + 1 for n in range(250)]


def test_many_submissions_at_once_all_arrive(running: World) -> None:
    async def one(n: int) -> Any:
        return await (await running.jobs.basics.add.submit(n, n))

    async def client() -> list[Any]:
        return await asyncio.gather(*(one(n) for n in range(100)))

    assert asyncio.run(client()) == [2 * n for n in range(100)]


def test_a_submission_in_a_body_knows_its_parent(running: World) -> None:
    own, child, parent = running.jobs.basics.submit_in_coroutine().result
    assert parent == own != child


def test_an_invalid_call_raises_at_the_await(world: World) -> None:
    add = world.jobs.basics.add

    async def client() -> None:
        # Making the coroutine does nothing yet.
        wrong, many, unfit = add.submit(1), add.submit_many([(1, 2), (3,)]), add.submit(1, object())
        with pytest.raises(TypeError):
            await wrong
        with pytest.raises(TypeError):
            await many
        with pytest.raises(SerializationError):
            await unfit

    asyncio.run(client())
    assert world.app.orchestrator.count_invocations() == 0


def test_registration_concurrency_decides_at_the_await(world: World) -> None:
    jobs = world.jobs.controls

    async def client() -> None:
        first = await jobs.once_per_task.submit(1)
        second = await jobs.once_per_task.submit(1)
        assert isinstance(second, ReusedInvocation)
        assert second == first
        await jobs.once_per_key_or_error.submit("a", 1)
        with pytest.raises(InvocationConcurrencyWithDifferentArgumentsError) as refused:
            await jobs.once_per_key_or_error.submit_many([("b", 1), ("a", 2)])
        assert len(refused.value.submitted) == 1

    asyncio.run(client())
