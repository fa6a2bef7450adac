"""Coroutine tasks, and waiting from an event loop."""

from __future__ import annotations

import asyncio

import pytest
from support import flags
from support.worlds import World


def test_a_coroutine_task_runs_to_its_end(running: World) -> None:
    assert running.jobs.basics.add_slowly(2, 3).result == 5
    with pytest.raises(LookupError, match="from a coroutine"):
        running.jobs.basics.fail_slowly().result


def test_async_result_and_await_give_the_same(running: World) -> None:
    async def client() -> list[int]:
        invocation = running.jobs.basics.add(2, 3)
        return [await invocation.async_result(), await invocation, await running.jobs.basics.add(1, 1)]

    assert asyncio.run(client()) == [5, 5, 2]


def test_a_failure_raises_at_the_await(running: World) -> None:
    async def client() -> None:
        await running.jobs.faults.raise_value_error("awaited")

    with pytest.raises(ValueError, match="awaited"):
        asyncio.run(client())


def test_many_waits_share_one_event_loop(running: World) -> None:
    async def client() -> list[int]:
        return await asyncio.gather(*(running.jobs.basics.add(n, 1).async_result() for n in range(50)))

    assert asyncio.run(client()) == [n + 1 for n in range(50)]


def test_waiting_does_not_block_the_event_loop(running: World) -> None:
    async def client() -> str:
        waiting = asyncio.ensure_future(running.jobs.basics.until("gate").async_result())
        ticks = 0
        while not ticks or not flags.is_raised("gate-started"):
            await asyncio.sleep(0.005)
            ticks += 1
        assert not waiting.done()
        flags.raise_flag("gate", "from the loop")
        return await waiting

    assert asyncio.run(client()) == "from the loop"


def test_async_results_come_in_the_order_of_completion(running: World) -> None:
    async def client() -> list[str]:
        group = running.jobs.basics.until.parallelize([("first",), ("second",)])
        order = []
        flags.raise_flag("second", "second")
        async for result in group.async_results():
            order.append(result)
            flags.raise_flag("first", "first")
        return order

    assert asyncio.run(client()) == ["second", "first"]


def test_a_cancelled_wait_leaves_the_invocation_alone(running: World) -> None:
    async def client() -> str:
        invocation = running.jobs.basics.until("gate")
        waiting = asyncio.ensure_future(invocation.async_result())
        while not flags.is_raised("gate-started"):
            await asyncio.sleep(0.005)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        flags.raise_flag("gate", "still there")
        return await invocation

    assert asyncio.run(client()) == "still there"


def test_a_timed_out_wait_leaves_the_invocation_alone(running: World) -> None:
    async def client() -> str:
        invocation = running.jobs.basics.until("gate")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(invocation.async_result(), 0.1)
        flags.raise_flag("gate", "still there")
        return await invocation.async_result()

    assert asyncio.run(client()) == "still there"


def test_a_process_can_run_several_event_loops_in_sequence(running: World) -> None:
    async def client(n: int) -> int:
        return await running.jobs.basics.add(n, n)

    assert [asyncio.run(client(n)) for n in range(5)] == [0, 2, 4, 6, 8]


def test_bodies_await_other_invocations(running: World) -> None:
    assert running.jobs.basics.add_by_await([1, 2, 3]).result == 6
    assert running.jobs.basics.add_by_async_group([1, 2, 3]).result == 6
