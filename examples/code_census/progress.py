"""A progress bar on stderr: one line that is overwritten, or a line now and then if stderr is no terminal."""

from __future__ import annotations

import sys
import time

from pynenc import Pynenc
from pynenc.invocation import InvocationStatus

_BAR = 30
_PLAIN_EVERY_SEC = 2.0


class Progress:
    """Counts the invocations of one app by status, against the expected number."""

    def __init__(self, app: Pynenc, expected: int) -> None:
        self._app = app
        self._expected = expected
        self._finished_before = self._count(InvocationStatus.get_final_statuses())
        self._live = sys.stderr.isatty()
        self._began = time.monotonic()
        self._last_plain = self._began

    def show(self) -> None:
        """Draw the current state."""
        if not self._live and time.monotonic() - self._last_plain < _PLAIN_EVERY_SEC:
            return
        self._last_plain = time.monotonic()
        text = self._text()
        # Go to the start of the line, and erase the rest of a longer text.
        print(f"\r{text}\x1b[K" if self._live else text, end="" if self._live else "\n", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Draw it once more and leave the line."""
        self._last_plain = 0.0
        self.show()
        if self._live:
            print(file=sys.stderr)

    def _text(self) -> str:
        done = self._count(InvocationStatus.get_final_statuses()) - self._finished_before
        running = self._count([InvocationStatus.RUNNING])
        waiting = self._count([InvocationStatus.PAUSED])
        queued = self._count(InvocationStatus.get_available_for_run_statuses())
        filled = min(_BAR, done * _BAR // max(1, self._expected))
        return (
            f"[{'#' * filled}{'.' * (_BAR - filled)}] {done}/{self._expected} done, {running} running, "
            f"{waiting} waiting for others, {queued} queued, {time.monotonic() - self._began:.1f} s"
        )

    def _count(self, statuses: object) -> int:
        return self._app.orchestrator.count_invocations(statuses=statuses)
