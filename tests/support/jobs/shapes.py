"""Plain functions that tests turn into tasks of an app."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

from pynenc import Task, context

DAY = datetime.date(2026, 1, 2)


def dated(day: datetime.date, times: int = 1) -> str:
    return str(day) * times


def calm() -> str:
    return "calm"


def urgent() -> str:
    return "urgent"


async def nap(seconds: float) -> int:
    await asyncio.sleep(seconds)
    return 1


def named(task: Task[[], str]) -> str:
    return str(task.task_id)


def given() -> Any:
    """Return the arguments that the runner passed to `invocation.run`."""
    return context.current_runner_args.get()
