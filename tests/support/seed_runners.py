"""Runners as a user writes them, against the seven abstract members of `BaseRunner` and nothing else."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from pynenc.exceptions import StateBackendError
from pynenc.runner import BaseRunner

_PAUSE_SEC = 0.01


class SevenMemberRunner(BaseRunner):
    """Claims with `get_invocations_to_run` and runs each invocation with `invocation.run` on a separate thread."""

    def __init__(self, app: Any, slots: int = 2) -> None:
        super().__init__(app)
        self._slots_wanted = slots

    @staticmethod
    def mem_compatible() -> bool:
        return True

    @property
    def max_parallel_slots(self) -> int:
        return self._slots_wanted

    def _on_start(self) -> None:
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        self._waiting = 0

    def runner_loop_iteration(self) -> None:
        with self._changed:
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            free = self._slots_wanted - len(self._threads) + self._waiting
        for invocation in self.app.orchestrator.get_invocations_to_run(max(0, free)):
            thread = threading.Thread(target=self._run_one, args=(invocation,), daemon=True)
            self._threads.append(thread)
            thread.start()
        with self._changed:
            self._changed.wait(_PAUSE_SEC)

    def _run_one(self, invocation: Any) -> None:
        # A check that fails closes the store, whatever still runs.
        with contextlib.suppress(StateBackendError):
            invocation.run({"runner": "seven members"})
        with self._changed:
            self._changed.notify_all()

    def _on_stop(self) -> None:
        for thread in self._threads:
            thread.join()

    def _on_stop_runner_loop(self) -> None:
        """The loop checks `running`."""

    def waiting_for_results(self, running_invocation, result_invocation, runner_args=None):  # type: ignore[no-untyped-def]
        if running_invocation is None:
            threading.Event().wait(_PAUSE_SEC)
            return
        with self._changed:
            self._waiting += 1
            self._changed.wait(_PAUSE_SEC)
            self._waiting -= 1


class RecordingRunner(BaseRunner):
    """Records its called methods in order; an iteration runs the test's function."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.calls: list[str] = []
        self.waits: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self.on_iteration: Callable[[RecordingRunner], None] = lambda runner: runner.stop_runner_loop()
        self.on_starting: Callable[[], None] = lambda: None

    @staticmethod
    def mem_compatible() -> bool:
        return True

    @property
    def max_parallel_slots(self) -> int:
        return 1

    def _on_start(self) -> None:
        self.calls.append("_on_start")
        self.on_starting()

    def _on_stop(self) -> None:
        self.calls.append("_on_stop")

    def runner_loop_iteration(self) -> None:
        self.calls.append("runner_loop_iteration")
        self.on_iteration(self)

    def _on_stop_runner_loop(self) -> None:
        self.calls.append("_on_stop_runner_loop")

    def waiting_for_results(self, *args: Any, **kwargs: Any) -> None:
        self.calls.append("waiting_for_results")
        self.waits.append((args, kwargs))


def run_what_is_there(runner: Any, runner_args: dict[str, Any] | None = None) -> None:
    """One pass of the simplest loop: run up to one invocation on a thread, without waiting for it."""
    for invocation in runner.app.orchestrator.get_invocations_to_run(1):
        threading.Thread(target=invocation.run, args=(runner_args,), daemon=True).start()
    threading.Event().wait(_PAUSE_SEC)
