"""Reach the end of the script while something of the engine is still at work.

python -m support.programs.exit_early <way>
"""

from __future__ import annotations

import asyncio
import sys
import threading

from support import flags
from support.jobs import app, basics, waits

from pynenc.runner import ThreadRunner


def main(way: str) -> None:
    if way == "unused":
        app.orchestrator.count_invocations()
    elif way == "loop":
        asyncio.run(_leave_a_wait_behind())
    elif way == "submit":
        asyncio.run(_leave_a_submission_behind())
    else:
        threading.Thread(target=ThreadRunner(app).run, daemon=True).start()
        held = basics.until("never-raised")
        flags.await_flag("never-raised-started")
        if way == "waiting":
            _await_paused(waits.wait_for_id(held.invocation_id))
        elif way == "waiting-thread":
            threading.Thread(target=lambda: held.result, daemon=True).start()
        elif way == "group":
            basics.add.parallelize([(n, n) for n in range(2000)])
    print("end of the script")


async def _leave_a_wait_behind() -> None:
    task = asyncio.ensure_future(waits.never().async_result())
    await asyncio.sleep(0)
    task.cancel()


async def _leave_a_submission_behind() -> None:
    tasks = [asyncio.ensure_future(basics.add.submit(n, n)) for n in range(50)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()


def _await_paused(invocation: object) -> None:
    from support.waiting import wait_until

    wait_until(lambda: str(invocation.status) == "paused")  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(sys.argv[1])
