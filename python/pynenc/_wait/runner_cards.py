"""The cards of the live runners of an app, as the store has them. Each runner writes its own; see `Presence`."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from pynenc.util.process_namespace import process_namespace
from pynenc.util.texts import cut

if TYPE_CHECKING:
    from pynenc._kernel.runtime import AppRuntime


class RunnerCard(NamedTuple):
    """The published data of a runner."""

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


def live_runners(runtime: AppRuntime) -> list[RunnerCard]:
    """The runners of this app whose cards the store has, without those whose process is known to be gone.

    Only the process of a runner in the same pid namespace can be looked up. Any other runner counts as live until its
    card expires.

    Raises:
        StateBackendError: the store cannot be read.
    """
    return list(_cards(runtime, runtime.store.runners()))


def _cards(runtime: AppRuntime, found: Iterable[tuple[str, bytes]]) -> Iterable[RunnerCard]:
    host, namespace = socket.gethostname(), process_namespace()
    for _, card in found:
        try:
            fields = json.loads(card)
            here, pid = (fields["host"], fields.get("namespace")) == (host, namespace), int(fields["pid"])
            if fields["app"] != runtime.app_id or (here and _is_gone(pid)):
                continue
            # A runner of this process knows the tasks that were defined after it wrote its card.
            more = map(str, list(runtime.tasks)) if here and pid == os.getpid() else ()
            yield RunnerCard(
                cut(str(fields["runner"]), 200),
                frozenset(map(str, fields["queues"])),
                frozenset((*map(str, fields["tasks"]), *more)),
                bool(fields["more_tasks"]),
                float(fields.get("started", 0)),
                float(fields.get("written", 0)),
            )
        except (ValueError, TypeError, LookupError, RecursionError):
            # A card of another release, or of another program.
            continue


def _is_gone(pid: int) -> bool:
    """Return whether no process has this number. A process that may not be signalled counts as existing."""
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
