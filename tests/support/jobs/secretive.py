"""Bodies that are given objects with secrets among their settings."""

from __future__ import annotations

from typing import Any

from support.jobs.app import app


@app.task
def who(other: Any, conf: Any, task: Any) -> tuple[str, str, str]:
    """What the arguments still know here."""
    return other.app_id, conf.app_id, str(task.task_id)


@app.task
def fail(other: Any, conf: Any) -> None:
    raise ValueError("a failure of the app", other, conf)
