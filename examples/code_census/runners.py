"""The runner processes of one run: start, watch and stop them. Each has a separate log file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

STOP_GRACE_SEC = "3"
"""Interrupted work is not needed: no user should wait half a minute for it."""

STOP_DEADLINE_SEC = 20.0
"""Longer than a runner takes by itself."""

_LOG_LINES = 15


class RunnerFailed(Exception):
    """A runner ended when it should not, or not as it should."""


class Runners:
    """Runner processes on one app file. As a context manager it leaves no process behind."""

    def __init__(self, app_file: Path, folder: Path, environment: Mapping[str, str]) -> None:
        self._command = [sys.executable, "-m", "pynenc", "--app", str(app_file), "runner", "start"]
        self._folder = folder
        self._environment = {**environment, "PYTHONUNBUFFERED": "1"}
        self._processes: list[tuple[subprocess.Popen[bytes], Path]] = []

    def start(self, count: int, runner: str | None) -> None:
        """Start runners of this class, or of the class that suits the store. Does not wait for them."""
        command = self._command + (["--runner", runner] if runner else [])
        for number in range(1, count + 1):
            log = self._folder / f"runner-{number}.log"
            with log.open("wb") as sink:
                # A separate group: Ctrl-C in the terminal is for this program, which stops the runners in order.
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    env=self._environment,
                    process_group=0,
                )
            self._processes.append((process, log))

    def check(self) -> None:
        """Raise `RunnerFailed`, with the end of its log, if a runner has ended."""
        for process, log in self._processes:
            if process.poll() is not None:
                raise RunnerFailed(f"a runner ended {_how(process.returncode)}, its log {log} ends with:\n{_tail(log)}")

    def stop(self) -> None:
        """Ask all to stop, and wait. Raises `RunnerFailed` unless each exits with 0 in time."""
        deadline = time.monotonic() + STOP_DEADLINE_SEC
        for process, log in self._processes:
            # A runner that is still importing has no handler for the signal yet.
            while process.poll() is None and b"Starting runner" not in log.read_bytes() and time.monotonic() < deadline:
                time.sleep(0.02)
        self._signal(signal.SIGTERM)
        for process, log in self._processes:
            try:
                code = process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise RunnerFailed(f"a runner did not stop within {STOP_DEADLINE_SEC:g} s, see {log}") from None
            if code != 0:
                raise RunnerFailed(f"a runner ended {_how(code)} after SIGTERM, its log ends with:\n{_tail(log)}")
        self._processes.clear()

    def __enter__(self) -> Runners:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._processes:
            return
        # Their work is no longer needed: after the second signal they hand it back at once.
        try:
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGTERM)
            deadline = time.monotonic() + STOP_DEADLINE_SEC
            for process, _ in self._processes:
                process.wait(max(0.0, deadline - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            pass
        finally:
            self._signal(signal.SIGKILL)
            for process, _ in self._processes:
                process.wait()

    def _signal(self, signum: signal.Signals) -> None:
        for process, _ in self._processes:
            # Has no effect on a runner that has ended.
            process.send_signal(signum)


def child_environment(**settings: str) -> dict[str, str]:
    """This environment with `settings`, which reach the app as `PYNENC__<SETTING>`."""
    return {**os.environ, **{f"PYNENC__{name.upper()}": value for name, value in settings.items()}}


def _how(code: int) -> str:
    return f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join(f"  | {line}" for line in lines[-_LOG_LINES:]) or "  (it is empty)"
