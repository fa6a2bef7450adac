"""The threads behind `await task.submit(…)`: their number, their context, and the effect of a cancelled await."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from typing import Any

import pytest
from support.jobs import shapes
from support.processes import Processes
from support.waiting import wait_until

from pynenc import Pynenc
from pynenc._kernel import submit_pool
from pynenc._kernel.submit_pool import MOST_THREADS, off_the_loop
from pynenc._submit.submit import submit_one
from pynenc.invocation import ConcurrentInvocation, ConcurrentInvocationGroup

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE")


def _app(**settings: Any) -> Pynenc:
    return Pynenc(app_id="submits", config_values={"store_url": "memory://", **settings})


def _threads() -> int:
    return sum(thread.name.startswith("pynenc-submit") for thread in threading.enumerate())


def test_in_dev_mode_the_body_begins_on_the_loop_of_the_caller() -> None:
    task = _app(dev_mode_force_sync_tasks=True).task(shapes.nap)

    async def client() -> None:
        invocation = await task.submit(0.0)
        assert isinstance(invocation, ConcurrentInvocation)
        assert invocation.status == "running"
        assert await invocation == 1
        group = await task.submit_many([(0.0,), (0.0,)])
        assert isinstance(group, ConcurrentInvocationGroup)
        assert [result async for result in group.async_results()] == [1, 1]

    asyncio.run(client())


def test_a_submit_reads_the_context_of_its_caller_and_changes_nothing_in_it() -> None:
    async def client() -> None:
        VARIABLE.set("outer")

        def look_and_set() -> str:
            seen = VARIABLE.get()
            VARIABLE.set("inner")
            return seen

        assert await off_the_loop(_app()._runtime, look_and_set) == "outer"
        assert VARIABLE.get() == "outer"

    asyncio.run(client())


def test_the_threads_are_few_and_end_when_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit_pool, "_IDLE_SEC", 0.05)
    app, gate, together = _app(), threading.Event(), threading.Barrier(MOST_THREADS)

    def hold() -> int:
        gate.wait(30)
        return _threads()

    async def client() -> None:
        # As many as there may be are inside at once, or the barrier would break.
        await asyncio.gather(*(off_the_loop(app._runtime, lambda: together.wait(30)) for _ in range(MOST_THREADS)))
        waiting = [asyncio.ensure_future(off_the_loop(app._runtime, hold)) for _ in range(50)]
        await asyncio.sleep(0)
        gate.set()
        assert max(await asyncio.gather(*waiting)) <= MOST_THREADS

    wait_until(lambda: _threads() == 0, "the threads of other tests end")
    asyncio.run(client())
    wait_until(lambda: _threads() == 0, "the threads end")
    # And begin again.
    assert asyncio.run(off_the_loop(app._runtime, os.getpid)) == os.getpid()


def test_a_call_is_withdrawn_before_its_turn_and_goes_on_after() -> None:
    app, gate, inside = _app(), threading.Event(), threading.Semaphore(0)
    made: list[int] = []
    lost: list[Any] = []

    def call(n: int) -> int:
        made.append(n)
        inside.release()
        gate.wait(30)
        return n

    async def client() -> None:
        tasks = [
            asyncio.ensure_future(
                off_the_loop(app._runtime, lambda n=n: call(n), lambda end: lost.append(end.result()))
            )
            for n in range(MOST_THREADS + 3)
        ]
        for _ in range(MOST_THREADS):
            await asyncio.to_thread(inside.acquire)
        for task in tasks:
            task.cancel()
        assert await asyncio.gather(*tasks, return_exceptions=True) != []
        assert all(task.cancelled() for task in tasks)
        gate.set()

    asyncio.run(client())
    wait_until(lambda: len(lost) == MOST_THREADS, "the end of each that had begun is told")
    assert sorted(lost) == sorted(made) == list(range(MOST_THREADS))


def test_an_accepted_call_whose_await_was_cancelled_is_named_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app, gate, accepted = _app(), threading.Event(), threading.Event()
    task = app.task(shapes.calm)
    app.logger.addHandler(caplog.handler)

    def submit_slowly(*arguments: Any) -> Any:
        invocation = submit_one(*arguments)
        accepted.set()
        gate.wait(30)
        return invocation

    monkeypatch.setattr("pynenc.task.submit_one", submit_slowly)

    async def client() -> None:
        submission = asyncio.ensure_future(task.submit())
        await asyncio.to_thread(accepted.wait)
        submission.cancel()
        await asyncio.gather(submission, return_exceptions=True)
        assert submission.cancelled()
        gate.set()

    asyncio.run(client())
    text = wait_until(lambda: [one for one in caplog.messages if "runs all the same" in one], "the warning")[0]
    (invocation_id,) = app._runtime.store.list_ids()
    assert text.endswith(invocation_id)


_FORK = """
import asyncio, os, sys
from support.jobs import basics

async def submit():
    return str((await basics.add.submit(1, 2)).status)

print("parent:", asyncio.run(submit()), flush=True)
child = os.fork()
if child == 0:
    print("child:", asyncio.run(submit()), flush=True)
    sys.exit(0)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print("child ended with", code, flush=True)
"""


def test_a_forked_child_has_threads_of_its_own(sqlite_env: None, processes: Processes) -> None:
    program = processes.python("-c", _FORK)
    assert program.wait() == 0, program.output()
    for line in ("parent: registered", "child: registered", "child ended with 0"):
        assert line in program.output().splitlines()
