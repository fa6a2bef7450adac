"""Runners for the suites: on a thread of this process, or in a separate process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pynenc import Pynenc, runner

DEADLINE_SEC = 60.0
PARENT_CLAIMS = "parent claims"
_BENCHES = Path(__file__).resolve().parents[1]


@contextmanager
def thread_runner(app: Pynenc, slots: int) -> Iterator[Any]:
    """A ThreadRunner on a thread of this process."""
    started = runner.ThreadRunner(app)
    started.conf.max_threads, started.conf.min_parallel_slots = slots, 1
    with warnings.catch_warnings():
        # The warning that a runner on a second thread takes no signals is expected here.
        warnings.simplefilter("ignore", UserWarning)
        thread = threading.Thread(target=started.run, daemon=True)
        thread.start()
        assert started.wait_until_started(DEADLINE_SEC)
    try:
        yield started
    finally:
        started.stop_runner_loop()
        thread.join(DEADLINE_SEC)


@contextmanager
def runner_process(name: str = "", **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """`pynenc runner start` for the app of `bench_tasks`, by default with two worker processes; or `PARENT_CLAIMS`."""
    command = ["pynenc", "--app", "bench_tasks", "runner", "start"]
    if name == PARENT_CLAIMS:
        name, command = "", ["benchkit.parent_claims"]
    name = name or ("PersistentProcessRunner" if hasattr(runner, "PersistentProcessRunner") else "ThreadRunner")
    defaults = {"PYNENC__RUNNER_CLS": name, "PYNENC__MIN_PARALLEL_SLOTS": "1", "PYNENC__MAX_THREADS": "2"}
    child = subprocess.Popen(
        [sys.executable, "-m", *command],
        env={**os.environ, "PYTHONPATH": str(_BENCHES), **defaults, **settings},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(20.0)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
