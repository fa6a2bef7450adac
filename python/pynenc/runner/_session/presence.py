"""How a runner makes itself known: a line at its start and end, and a card in the store that clients read."""

from __future__ import annotations

import json
import os
import platform
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pynenc._kernel.runtime import runtime_of
from pynenc.conf.database_file import absolute_url
from pynenc.exceptions import PynencError
from pynenc.runner._session.engine import slots_of
from pynenc.util import clock
from pynenc.util.near_names import near_names
from pynenc.util.process_namespace import process_namespace

if TYPE_CHECKING:
    from pynenc.runner.base_runner import BaseRunner

EVERY_SEC = 60.0
"""How often a card is written again. An idle runner writes nothing else."""

KEPT_SEC = 150.0
"""How long a card stands in the store without being written again."""

_MOST_TASKS = 200
"""Tasks beyond these are not on the card, which says so."""

_SHOWN_TASKS = 20


class Presence:
    """The presence of one runner, from its start to its end. For the thread in `run()` only."""

    def __init__(self, runner: BaseRunner, key: str) -> None:
        self._runner = runner
        self._key = key
        self._started = clock.monotonic()
        self._next = self._started + EVERY_SEC
        app = runner.app
        self._queues = sorted(getattr(runner.conf, "queues", ()))
        self._card: dict[str, Any] = {
            "app": app.app_id,
            "runner": str(runner.runner_id),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "namespace": process_namespace(),
            "queues": self._queues,
            "started": time.time(),
        }
        self._say_hello()
        self._warn_of_queues()
        self._publish(KEPT_SEC)

    def tick(self) -> None:
        """Write the card again when a minute has passed."""
        now = clock.monotonic()
        if now >= self._next:
            self._next = now + EVERY_SEC
            self._publish(KEPT_SEC)

    def end(self) -> None:
        """Take the card back, and say that the runner has stopped."""
        self._publish(0)
        ran = clock.monotonic() - self._started
        self._runner.logger.info(
            "stopped after %.1f s", ran, extra={"event": "runner_stopped", "ran_sec": round(ran, 3)}
        )

    def _tasks(self) -> list[str]:
        return sorted(map(str, self._runner.app.tasks))

    def _say_hello(self) -> None:
        from pynenc._engine.facts import version

        runner, tasks = self._runner, self._tasks()
        slots, store = slots_of(runner), absolute_url(runtime_of(runner.app).store.url)
        more = len(tasks) - _SHOWN_TASKS
        named = ", ".join(tasks[:_SHOWN_TASKS]) + (f" and {more} more" if more > 0 else "")
        runner.logger.info(
            "started: %d tasks (%s), queues: %s, slots: %d, store: %s, pynenc-rs %s on Python %s",
            len(tasks),
            named or "none",
            ", ".join(self._queues) or "all",
            slots,
            store,
            version(),
            platform.python_version(),
            extra={
                "event": "runner_started",
                "tasks": tasks,
                "queues": self._queues,
                "slots": slots,
                "store": store,
                "version": version(),
            },
        )

    def _warn_of_queues(self) -> None:
        """A queue that no task names stays empty, unless calls are routed there one by one."""
        tasks = {str(task.conf.queue): task_id for task_id, task in sorted(self._runner.app.tasks.items())}
        for queue in self._queues:
            if queue not in tasks:
                self._runner.logger.warning(
                    "no task of this app names the queue %r, which this runner serves%s; the tasks here name: %s",
                    queue,
                    self._near(queue, tasks),
                    ", ".join(map(repr, sorted(tasks)[:_SHOWN_TASKS])) or "none",
                )

    def _near(self, queue: str, tasks: Mapping[str, str]) -> str:
        """Which queue of a task is meant. Where no setting lists that queue either, the task may have the typo."""
        near = near_names(queue, tasks)
        if not near:
            return ""
        if near[0] in {"default", *runtime_of(self._runner.app).queues.queues}:
            return f" (did you mean {near[0]!r}?)"
        return f" (task {tasks[near[0]]} names {near[0]!r}: one of the two may be misspelt)"

    def _publish(self, keep_sec: float) -> None:
        # A program may have made more of them since.
        tasks = self._tasks()
        card = self._card | {
            "tasks": tasks[:_MOST_TASKS],
            "more_tasks": len(tasks) > _MOST_TASKS,
            "written": time.time(),
        }
        try:
            runtime_of(self._runner.app).store.publish_runner(self._key, json.dumps(card).encode(), keep_sec)
        except PynencError as error:
            # A store that fails is said elsewhere. Without a card clients know less, and work as before.
            self._runner.logger.debug("the card of this runner was not written: %s", error)
