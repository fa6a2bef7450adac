"""The log of a runner, which names the runner in each line."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pynenc.runner.base_runner import BaseRunner


class QueueNames(tuple[str, ...]):
    """Names of queues that may also be called, for both spellings are in use."""

    __slots__ = ()

    def __call__(self) -> QueueNames:
        return self


class RunnerLog(logging.LoggerAdapter[logging.Logger]):
    """Puts the id of the runner before each message."""

    def __init__(self, runner: BaseRunner) -> None:
        super().__init__(runner.app.logger, {})
        self._runner = runner

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return f"[runner: {self._runner.runner_id}] {msg}", kwargs
