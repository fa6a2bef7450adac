"""Event loops that cannot watch a descriptor, such as that of Windows: a thread watches it for them."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support import flags
from support.waiting import wait_until
from support.worlds import World

from pynenc.exceptions import InvocationNotFoundError
from pynenc.invocation import DistributedInvocation

UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"


class _NoReaders(asyncio.SelectorEventLoop):
    def add_reader(self, *arguments: Any) -> None:
        raise NotImplementedError

    def remove_reader(self, *arguments: Any) -> bool:
        raise NotImplementedError


@pytest.fixture
def run(thread_world: World) -> Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]:
    """Run a client on such a loop; nothing may come to its exception handler."""
    thread_world.start(slots=2)

    def on_the_loop(client: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        unhandled: list[dict[str, Any]] = []

        async def watched() -> Any:
            asyncio.get_running_loop().set_exception_handler(lambda loop, news: unhandled.append(news))
            return await client()

        with asyncio.Runner(loop_factory=_NoReaders) as runner:
            result = runner.run(watched())
        assert unhandled == []
        return result

    return on_the_loop


def _no_thread_is_left() -> None:
    wait_until(lambda: all(thread.name != "pynenc-loop" for thread in threading.enumerate()), "the threads end")


def test_fifty_awaits_leave_neither_an_error_nor_a_thread(thread_world: World, run: Any) -> None:
    add = thread_world.jobs.basics.add

    async def client() -> list[int]:
        one_by_one = [await (await add.submit(n, n)) for n in range(25)]
        return one_by_one + await asyncio.gather(*(add(n, n).async_result() for n in range(25, 50)))

    assert run(client) == [2 * n for n in range(50)]
    _no_thread_is_left()


def test_an_unknown_invocation_and_a_cancelled_await_leave_no_thread(thread_world: World, run: Any) -> None:
    async def client() -> None:
        with pytest.raises(InvocationNotFoundError):
            await DistributedInvocation(thread_world.app, UNKNOWN)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(thread_world.jobs.basics.until("gate").async_result(), 0.05)
        flags.raise_flag("gate")

    run(client)
    _no_thread_is_left()


def test_a_loop_that_was_closed_in_the_middle_keeps_its_thread_until_the_outcome_comes(thread_world: World) -> None:
    loop = _NoReaders()
    waiting = loop.create_task(thread_world.jobs.basics.add(1, 1).async_result())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    waiting._log_destroy_pending = False  # type: ignore[attr-defined]
    thread_world.start(slots=2)
    _no_thread_is_left()


def test_a_loop_that_lives_on_holds_nothing_for_awaits_that_are_over(thread_world: World, run: Any) -> None:
    add, gate = thread_world.jobs.basics.add, thread_world.jobs.basics.until("gate")

    async def client() -> None:
        counts = []
        for _ in range(3):
            for _ in range(10):
                assert await add(1, 1).async_result() == 2
                # Idle: the alarm is closed after this turn of the loop.
                await asyncio.sleep(0)
            await asyncio.to_thread(_no_thread_is_left)
            counts.append(len(os.listdir("/proc/self/fd")))
        flags.raise_flag("gate")
        await gate.async_result()
        assert counts[2] < counts[0] + 10, counts

    run(client)


def test_an_await_that_could_not_be_watched_leaves_those_after_it_alone(thread_world: World) -> None:
    thread_world.start(slots=2)
    add = thread_world.jobs.basics.add

    class Full(asyncio.SelectorEventLoop):
        refusals = 1

        def add_reader(self, *arguments: Any) -> Any:
            if self.refusals:
                self.refusals -= 1
                raise OSError(28, "no space for another watch")
            return super().add_reader(*arguments)

    async def client() -> int:
        asyncio.get_running_loop().refusals = 1  # type: ignore[attr-defined]
        with pytest.raises(OSError, match="no space"):
            await add(1, 1).async_result()
        return await asyncio.wait_for(add(2, 2).async_result(), 60)

    with asyncio.Runner(loop_factory=Full) as runner:
        assert runner.run(client()) == 4
