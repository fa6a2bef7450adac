"""What a zygote tells its runner once it has imported the app, and the warnings that the runner makes of it."""

from __future__ import annotations

import importlib
import logging
import sys
from typing import TYPE_CHECKING, Any

from pynenc._kernel.runtime import runtime_of
from pynenc.runner._workers.import_threads import threads_lost_by_forks

if TYPE_CHECKING:
    from pynenc._kernel.shapes import AppShape
    from pynenc.runner._workers.channel import Message

_SHOWN_TASKS = 20


def zygote_report(app: AppShape, registrars: dict[str, str]) -> Message:
    """Return what the runner has to know about a zygote that is ready to fork. Imports modules that register tasks.

    Args:
        registrars: by task id, the module that registers the task, where that is not the module of its function.
    """
    return {
        "loaded": True,
        "unknown": _unknown_tasks(app, registrars),
        "logs": _has_log_handlers(),
        # Last, for the imports above may start some.
        "threads": threads_lost_by_forks(),
    }


def warn_of(app: AppShape, report: Message) -> None:
    """Log what the user should know about the worker processes."""
    if report["threads"]:
        app.logger.warning(
            "importing the app started threads (%s): worker processes are forked without them, and with whatever locks "
            "they hold; start them when a task first needs them",
            ", ".join(report["threads"]),
        )
    for task_id, why in list(report["unknown"].items())[:_SHOWN_TASKS]:
        app.logger.warning("task %s is unknown in worker processes: %s", task_id, why)
    if _has_log_handlers() and not report["logs"] and not runtime_of(app).worker_starts:
        app.logger.warning(
            "logging is set up in this process, but not in its worker processes: they import the modules of the app, "
            "and do not run the main module%s. Set up what bodies need in a module of the app, or in a function that "
            "@app.on_worker_start registers",
            _main_file(),
        )


def _unknown_tasks(app: AppShape, registrars: dict[str, str]) -> dict[str, str]:
    """Import what registers tasks that are not known yet; return those that remain, with the reason."""
    unknown = {}
    for task_id, module in registrars.items():
        problem = ""
        if task_id not in app.tasks and module != "__main__":
            try:
                importlib.import_module(module)
            except BaseException as error:
                problem = f"importing module {module}, which registers it, failed with {type(error).__name__}: {error}"
        if task_id not in app.tasks:
            unknown[task_id] = problem or (
                f"{'the main module of the program' if module == '__main__' else f'a function of {module}'} registers "
                "it, which they do not run. Register it while a module is imported, and list that in task_modules"
            )
    return unknown


def _has_log_handlers() -> bool:
    """Return whether the user has set up the root logger.

    A runner gives it a handler of ours, in workers too. Handlers of pytest are there for the time of a test only.
    """
    handlers: list[Any] = logging.getLogger().handlers
    packages = {type(one).__module__.partition(".")[0] for one in handlers if not isinstance(one, logging.NullHandler)}
    return bool(packages - {"pynenc", "_pytest"})


def _main_file() -> str:
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return f" ({file})" if file else ""
