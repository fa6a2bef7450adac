"""The loggers of task modules, in processes that are ours: runners of the command line, and workers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pynenc._logs.app_logger import app_handler

if TYPE_CHECKING:
    from pynenc._kernel.shapes import AppShape


def show_task_loggers(app: AppShape) -> None:
    """Let what task modules log at `logging_level` and above be seen, unless the program has set logging up itself.

    The root logger gets a handler like that of the app, and the top-level packages of the task modules get the level
    of the app. The level of the root logger stays, so that libraries say no more than before.
    """
    root = logging.getLogger()
    if root.handlers:
        return
    root.addHandler(app_handler(app.conf))
    for package in sorted({task_id.module.partition(".")[0] for task_id in app.tasks}):
        logger = logging.getLogger(package)
        if logger.level == logging.NOTSET:
            logger.setLevel(app.conf.logging_level.upper())
