"""The interface of a system under test, and the common parts of all adapters. Standard library only: this runs in the
venv of each peer.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

MAY_HANG_SEC = 15.0
"""Waits with a limit up to this may never end."""


@dataclass(frozen=True)
class Options:
    """How the driver wants this run. Workers get it through the environment."""

    store: str
    redis_port: int
    redis_pid: int
    folder: str
    runner: str = ""

    @property
    def redis_url(self) -> str:
        """The server that the driver has started."""
        return f"redis://127.0.0.1:{self.redis_port}/0"

    @classmethod
    def here(cls) -> Options:
        """The options of this process."""
        return cls(**json.loads(os.environ["BENCH_OPTIONS"]))


class System:
    """One system under test, from its client's view. The defaults are simple; override a method for a faster way."""

    waits_in_tasks = True
    """Whether a body can send tasks and wait for them."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.workers: list[subprocess.Popen[bytes]] = []

    def start(self, slots: int | None = None) -> None:
        """Start the workers as tuned for two cores; with `slots` so many bodies at once in all."""
        raise NotImplementedError

    def start_for_waiting(self) -> bool:
        """Start the workers in the best way for bodies that wait; False if the system has no special way."""
        return False

    def stop(self) -> None:
        """End the workers."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 5.0
        for worker in self.workers:
            try:
                worker.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
        for worker in self.workers:
            kill_tree(worker)
        self.workers = []

    def send(self, body: str, *args: Any) -> Any:
        """Submit one call; return when the store has it."""
        raise NotImplementedError

    def send_each(self, body: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Submit calls one after the other, each acknowledged."""
        return [self.send(body, *args) for args in calls]

    def send_many(self, body: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Submit in the fastest way that the system has."""
        return self.send_each(body, calls)

    def result(self, handle: Any, timeout: float) -> Any:
        """Wait for one result."""
        raise NotImplementedError

    def results(self, handles: Sequence[Any], timeout: float) -> list[Any]:
        """Wait for all."""
        deadline = time.monotonic() + timeout
        return [self.result(handle, max(0.01, deadline - time.monotonic())) for handle in handles]

    def round_trips(self, count: int, until: float) -> list[float]:
        """Return the seconds from submit to result, with one task in flight."""
        taken = []
        for number in range(count):
            began = time.perf_counter()
            value = self.result(self.send("echo", number), 20.0)
            taken.append(time.perf_counter() - began)
            assert value == number, f"sent {number}, got {value!r}"
            if time.monotonic() > until:
                break
        return taken

    def purge(self) -> None:
        """Forget everything; no worker runs."""
        if self.options.store == "redis":
            redis_command(self.options.redis_port, "FLUSHALL")

    def worker_pids(self) -> list[int]:
        """Every process of the workers."""
        return [pid for worker in self.workers for pid in process_tree(worker.pid)]

    def body_pids(self) -> list[int]:
        """Return the processes that run bodies: the leaves."""
        pids = self.worker_pids()
        parents = {parent_of(pid) for pid in pids}
        return [pid for pid in pids if pid not in parents]

    def spawn(self, *command: str, **environment: str) -> None:
        """Start a worker process that finds the adapters."""
        with Path(self.options.folder, f"worker-{time.time_ns()}.log").open("wb") as log:
            self.workers.append(
                subprocess.Popen(
                    command, cwd=HERE, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                    env={**os.environ, "PYTHONPATH": str(HERE), **environment},
                )
            )  # fmt: skip

    def spawn_python(self, *arguments: str, **environment: str) -> None:
        """The same with the interpreter of this venv."""
        self.spawn(sys.executable, *arguments, **environment)


def emit(measure: str, value: float | None, unit: str, **more: Any) -> None:
    """Send one measured value to the driver. None means that it could not be measured; `note` has the reason."""
    print(json.dumps({"measure": measure, "value": value, "unit": unit, **more}), flush=True)


def redis_command(port: int, *words: str) -> bytes:
    """Send one command on a separate connection; return the raw reply."""
    parts = b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"*%d\r\n%s" % (len(words), parts))
        return connection.recv(1 << 16)


def process_tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for parent in found:
        try:
            for task in Path(f"/proc/{parent}/task").iterdir():
                found.extend(map(int, (task / "children").read_text().split()))
        except OSError:
            continue
    return found


def bare_mb(module: str) -> float:
    """Return the memory of an interpreter that has imported this adapter and the app: the minimum of a worker."""
    code = f"import {module}; from protocol import rss_mb; import os; print(rss_mb(os.getpid()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=HERE, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def parent_of(pid: int) -> int:
    """The parent of a process; 0 if it is gone."""
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU time of these processes, and of their children that have ended."""
    ticks = sum(sum(map(int, fields[11:15])) for fields in map(_stat, pids) if fields)
    return ticks / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    """Return the resident memory of one process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _stat(pid: int) -> list[str]:
    try:
        # The fields after the name, which may contain any character.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def kill_tree(worker: subprocess.Popen[bytes]) -> None:
    """End a worker and its processes, which share a session."""
    try:
        os.killpg(worker.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    worker.wait()


def limited(work: Callable[[], Any], seconds: float) -> Any:
    """Return the result of `work`, for systems whose waits have no time limit: after the limit its thread is abandoned.

    Waits with a generous limit should not fail, and run on this thread without extra cost.
    """
    if seconds > MAY_HANG_SEC:
        return work()
    outcome: list[Any] = []
    thread = threading.Thread(target=lambda: outcome.append(work()), daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"no result within {seconds:g} s")
    return outcome[0]


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll 50 times a second, for conditions that are not measured."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
