"""Modules of tasks whose import failed when the runner started: each is tried again when a task of it is called."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc._kernel.runtime import AppRuntime

_FIRST_PAUSE_SEC = 1.0
_LONGEST_PAUSE_SEC = 60.0


class LateModules:
    """The failed modules, with the times of their next attempts. Thread-safe. Contains only modules of the settings or
    the source.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._problems: dict[str, str] = {}
        self._pauses: dict[str, tuple[float, float]] = {}
        """When each is tried again, and after which pause then."""

    def failed(self, module: str, problem: str) -> None:
        """Note that `module` could not be imported, and why."""
        with self._lock:
            self._problems[module] = problem

    def problems(self) -> dict[str, str]:
        """Return why each of them failed, by name."""
        with self._lock:
            return dict(self._problems)

    def try_again(self, runtime: AppRuntime, module: str) -> bool:
        """Import `module` if it is one of these modules and its time has come; return whether the import succeeded.

        Blocks for at most `task_import_limit_sec`. Does nothing on a thread that runs an event loop.
        """
        now = clock.monotonic()
        with self._lock:
            at, pause = self._pauses.get(module, (0.0, _FIRST_PAUSE_SEC))
            if module not in self._problems or now < at or _runs_a_loop():
                return False
            self._pauses[module] = (now + pause, min(_LONGEST_PAUSE_SEC, 2 * pause))
        from pynenc._tasks.modules import imported

        problem = imported(module, runtime.conf.task_import_limit_sec)
        if problem is not None:
            self.failed(module, problem)
            runtime.logger.warning("%s; it was tried again, and its tasks are unknown to this runner still", problem)
            return False
        with self._lock:
            self._problems.pop(module, None)
        runtime.logger.info("module %s, which failed when the runner started, is imported now", module)
        return True


def _runs_a_loop() -> bool:
    events = sys.modules.get("asyncio.events")
    return events is not None and events._get_running_loop() is not None
