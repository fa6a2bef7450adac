"""How a runner calls itself: its id, and the log that speaks under it."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pynenc.runner.base_runner import BaseRunner


class RunnerId(str):
    """The id of a runner: a `str` that may also be called, for both spellings are in use."""

    def __call__(self) -> str:
        return self


class RunnerLog(logging.LoggerAdapter[logging.Logger]):
    """Puts the id of the runner before each message."""

    def __init__(self, runner: BaseRunner) -> None:
        super().__init__(runner.app.logger, {})
        self._runner = runner

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return f"[runner: {self._runner.runner_id}] {msg}", kwargs


def client_id(name: str = "ExternalRunner") -> RunnerId:
    """The id of a process that runs nothing, `ExternalRunner@<host>-<pid>`; a forked child has another."""
    return RunnerId(f"{name}@{socket.gethostname()}-{os.getpid()}")
