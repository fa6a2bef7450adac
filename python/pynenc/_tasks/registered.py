"""Register a task, and record the registering module if it is not the module of the function."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pynenc._kernel.runtime import AppRuntime


def register(runtime: AppRuntime, task: Any) -> None:
    """Make `task` known to `app`. A worker process imports the module that calls this, if it does not know the task."""
    runtime.tasks[task.task_id] = task
    module = _calling_module()
    if module != task.task_id.module:
        runtime.registrars[str(task.task_id)] = module
    else:
        runtime.registrars.pop(str(task.task_id), None)


def _calling_module() -> str:
    """Return the name of the module whose code is outside of this package."""
    frame = sys._getframe(1)
    while True:
        name = str(frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] != "pynenc" or frame.f_back is None:
            return name
        frame = frame.f_back
