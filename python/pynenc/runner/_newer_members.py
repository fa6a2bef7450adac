"""Members that `BaseRunner` has in pynenc 0.4 beside the interface of a runner."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pynenc._identity.runner_context import RunnerContext

if TYPE_CHECKING:
    from pynenc._identity.runner_id import RunnerId
    from pynenc.app import Pynenc
    from pynenc.conf.config_runner import ConfigRunner


class QueueNames(tuple[str, ...]):
    """Names of queues that may also be called, for both spellings are in use."""

    __slots__ = ()

    def __call__(self) -> QueueNames:
        return self


class NewerMembers:
    """The part of `BaseRunner` that only code written for pynenc 0.4 uses."""

    if TYPE_CHECKING:
        app: Pynenc

        @property
        def conf(self) -> ConfigRunner: ...

        @property
        def runner_id(self) -> RunnerId: ...

        def waiting_for_results(
            self, running_invocation: Any, result_invocation: list[Any], runner_args: dict[str, Any] | None = None
        ) -> None: ...

    @property
    def runner_context(self) -> RunnerContext:
        """The identity of this runner, in the calling process and thread."""
        return RunnerContext(type(self).__name__, str(self.runner_id))

    @property
    def queue_names_for_retrieval(self) -> QueueNames:
        """The queues that it takes work from; empty for all."""
        return QueueNames(self.conf.queues)

    async def async_waiting_for_results(
        self,
        running_invocation: Any,
        result_invocations: Sequence[Any],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        """Call `waiting_for_results` on a thread, so that the event loop is not blocked."""
        await asyncio.to_thread(self.waiting_for_results, running_invocation, list(result_invocations), runner_args)

    def init_trigger_tasks_modules(self) -> None:
        """Import the modules of `trigger_task_modules`. A start of the runner does that anyway.

        Raises whatever importing a module raises.
        """
        for name in self.app.conf.trigger_task_modules:
            importlib.import_module(name)
