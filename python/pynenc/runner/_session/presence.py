"""How a runner makes itself known: a line at its start and end, and a card in the store that clients read."""

from __future__ import annotations

import json
import os
import platform
import socket
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from pynenc.conf.database_file import absolute_url
from pynenc.exceptions import PynencError
from pynenc.util import clock
from pynenc.util.near_names import near_names
from pynenc.util.texts import cut

if TYPE_CHECKING:
    from pynenc.app import Pynenc
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
        from pynenc import __version__

        runner, tasks = self._runner, self._tasks()
        slots, store = runner._slots(), absolute_url(runner.app._runtime.store.url)
        more = len(tasks) - _SHOWN_TASKS
        named = ", ".join(tasks[:_SHOWN_TASKS]) + (f" and {more} more" if more > 0 else "")
        runner.logger.info(
            "started: %d tasks (%s), queues: %s, slots: %d, store: %s, pynenc-rs %s on Python %s",
            len(tasks),
            named or "none",
            ", ".join(self._queues) or "all",
            slots,
            store,
            __version__,
            platform.python_version(),
            extra={
                "event": "runner_started",
                "tasks": tasks,
                "queues": self._queues,
                "slots": slots,
                "store": store,
                "version": __version__,
            },
        )

    def _warn_of_queues(self) -> None:
        """A queue that no task names stays empty, unless calls are routed there one by one."""
        named = sorted({str(task.conf.queue) for task in self._runner.app.tasks.values()})
        for queue in self._queues:
            if queue not in named:
                near = near_names(queue, named)
                self._runner.logger.warning(
                    "no task of this app names the queue %r, which this runner serves%s; the tasks here name: %s",
                    queue,
                    f" (did you mean {near[0]!r}?)" if near else "",
                    ", ".join(map(repr, named[:_SHOWN_TASKS])) or "none",
                )

    def _publish(self, keep_sec: float) -> None:
        # A program may have made more of them since.
        tasks = self._tasks()
        card = self._card | {
            "tasks": tasks[:_MOST_TASKS],
            "more_tasks": len(tasks) > _MOST_TASKS,
            "written": time.time(),
        }
        try:
            self._runner.app._runtime.store.publish_runner(self._key, json.dumps(card).encode(), keep_sec)
        except PynencError as error:
            # A store that fails is said elsewhere. Without a card clients know less, and work as before.
            self._runner.logger.debug("the card of this runner was not written: %s", error)


class RunnerCard(NamedTuple):
    """What a runner says of itself."""

    runner: str
    queues: frozenset[str]
    """Empty means all queues."""
    tasks: frozenset[str]
    more_tasks: bool
    """Whether it has tasks that are not named."""
    started: float = 0.0
    """When it started, in seconds since 1970 by the clock of its machine."""
    written: float = 0.0
    """When it wrote this card, likewise."""

    def serves(self, queue: str) -> bool:
        """Whether it takes work from this queue."""
        return not self.queues or queue in self.queues

    def knows(self, task_id: str) -> bool:
        """Whether it may have this task."""
        return self.more_tasks or task_id in self.tasks


def live_runners(app: Pynenc) -> list[RunnerCard]:
    """The runners of this app whose cards the store has, without those of this machine whose process is gone.

    Raises:
        StateBackendError: the store cannot be read.
    """
    return list(_cards(app, app._runtime.store.runners()))


def _cards(app: Pynenc, found: Iterable[tuple[str, bytes]]) -> Iterable[RunnerCard]:
    host = socket.gethostname()
    for _, card in found:
        try:
            fields = json.loads(card)
            here, pid = fields["host"] == host, int(fields["pid"])
            if fields["app"] != app.app_id or (here and _is_gone(pid)):
                continue
            # A runner of this process knows what has been defined since it wrote its card.
            more = map(str, list(app.tasks)) if here and pid == os.getpid() else ()
            yield RunnerCard(
                cut(str(fields["runner"]), 200),
                frozenset(map(str, fields["queues"])),
                frozenset((*map(str, fields["tasks"]), *more)),
                bool(fields["more_tasks"]),
                float(fields.get("started", 0)),
                float(fields.get("written", 0)),
            )
        except (ValueError, TypeError, LookupError, RecursionError):
            # Of another release, or nothing of ours.
            continue


def _is_gone(pid: int) -> bool:
    """Whether no process has this number. One that cannot be asked counts as there."""
    if pid == os.getpid():
        return False
    if os.name != "posix":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
