"""A server that does not answer for a while: event loops continue, and their awaits finish afterwards."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from support.processes import Processes, stands_still
from support.servers import RedisServer, redis_server
from support.waiting import wait_until
from support.worlds import StoreKind, load_jobs, set_environment

from pynenc import Pynenc
from pynenc.invocation import DistributedInvocation

ENOUGH_TICKS = 50
TICK_SEC = 0.01
DEADLINE_SEC = 60


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[RedisServer]:
    """A server of this test's own, which the app of the test and its children use."""
    with redis_server() as own:
        set_environment(monkeypatch, tmp_path, StoreKind("redis", lambda folder: own.url, shared=True))
        yield own


async def _through_a_stop(
    server: RedisServer, *awaited: Awaitable[Any], meanwhile: Callable[[], Any] = lambda: None
) -> list[Any]:
    """Await with the server stopped, and continue the server when the loop has ticked often; return the results.

    A loop that the store blocks does not tick until the command times out, which these awaits would not survive.
    """
    server.send(signal.SIGSTOP)
    try:
        wait_until(lambda: stands_still(server.pid), "the stop of the server")
        tasks = [asyncio.ensure_future(each) for each in awaited]
        meanwhile()
        for _ in range(ENOUGH_TICKS):
            await asyncio.sleep(TICK_SEC)
        # The loop ticked while each of them was under way, for nothing could finish.
        assert not any(task.done() for task in tasks)
    finally:
        server.send(signal.SIGCONT)
    return await asyncio.wait_for(asyncio.gather(*tasks), DEADLINE_SEC)


async def _all(results: Any) -> list[Any]:
    return sorted([result async for result in results])


def test_an_await_of_what_was_submitted_here_lets_the_loop_go_on(server: RedisServer, processes: Processes) -> None:
    jobs = load_jobs()

    async def client() -> list[Any]:
        one, group = jobs.basics.add(1, 2), jobs.basics.add.parallelize([(n, n) for n in range(10)])
        # The runner comes only then: nothing finishes before the stop.
        awaited = (one.async_result(), _all(group.async_results()))
        return await _through_a_stop(server, *awaited, meanwhile=processes.runner)

    assert asyncio.run(client()) == [3, [2 * n for n in range(10)]]


def test_an_await_by_id_lets_the_loop_go_on(server: RedisServer, processes: Processes) -> None:
    """The store must be polled first for submissions of another process; decoding the result then needs its task."""
    jobs = load_jobs()
    processes.started_runner()
    finished, live = jobs.basics.add(1, 2), jobs.basics.add(3, 4)
    assert finished.get_result(timeout=DEADLINE_SEC) == 3

    async def client() -> list[Any]:
        Pynenc._clear_instances()
        app = load_jobs().app
        handles = [DistributedInvocation(app, one.invocation_id) for one in (finished, live)]
        return await _through_a_stop(server, *(handle.async_result() for handle in handles))

    assert asyncio.run(client()) == [3, 7]


def test_submitting_lets_the_loop_go_on(server: RedisServer, processes: Processes) -> None:
    jobs = load_jobs()
    processes.started_runner()

    async def one() -> int:
        return int(await (await jobs.basics.add.submit(1, 2)))

    async def many() -> list[int]:
        group = await jobs.basics.add.submit_many([(n, n) for n in range(10)])
        return await _all(group.async_results())

    async def client() -> list[Any]:
        return await _through_a_stop(server, one(), many())

    # First with a store that must be opened, then with an open one.
    assert asyncio.run(client()) == [3, [2 * n for n in range(10)]]
    assert asyncio.run(client()) == [3, [2 * n for n in range(10)]]


def test_a_submission_can_be_given_up_while_the_store_hangs(
    server: RedisServer, processes: Processes, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = load_jobs()
    jobs.basics.add(1, 2)
    jobs.app.logger.addHandler(caplog.handler)

    async def client() -> None:
        server.send(signal.SIGSTOP)
        try:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(jobs.basics.add.submit(3, 4), 0.1)
        finally:
            server.send(signal.SIGCONT)

    asyncio.run(client())
    # The submission was on its way: the log names the invocation, and the store has it.
    named = wait_until(lambda: [one for one in caplog.messages if "runs all the same" in one], "the warning")
    invocation_id = named[0].split()[-1]
    processes.started_runner()
    assert jobs.app.state_backend.get_invocation(invocation_id).get_result(timeout=DEADLINE_SEC) == 7
