"""The class of the tasks that `@app.workflow` makes in pynenc."""

from __future__ import annotations

from typing import Any, Generic, NoReturn

from pynenc._tasks.not_offered import no_workflows
from pynenc.task import Task
from pynenc.types import Params, Result


class WorkflowTask(Task[Params, Result], Generic[Params, Result]):
    """A task whose invocations are workflows. This build has no workflows: making one raises `NotOfferedError`.

    Args:
        *args: not used.
        **kwargs: not used.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise no_workflows("WorkflowTask(…)")
