"""Child processes of a test: runners, clients, programs. Each is ended with the test, whatever state it is in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from support.secrecy import SENTINEL
from support.waiting import wait_until

TESTS = Path(__file__).resolve().parent.parent
CHILD_DEADLINE_SEC = 60.0


class Child:
    """One process, with its output in a separate file."""

    def __init__(self, arguments: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        self.arguments = arguments
        with log.open("wb") as sink:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=child_environment(environment),
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def output(self) -> str:
        """Return its output so far, on both streams."""
        return self.log.read_text(errors="replace")

    def send(self, signum: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(signum)

    def wait(self, deadline_sec: float = CHILD_DEADLINE_SEC) -> int:
        """Its exit code, once it has ended. `AssertionError` with its output at the deadline."""
        try:
            return self.process.wait(deadline_sec)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.arguments} did not end in {deadline_sec:g} s:\n{self.output()}") from None

    def await_output(self, text: str, deadline_sec: float = CHILD_DEADLINE_SEC) -> None:
        """Block until it has printed `text`; fails if it ends without."""

        def look() -> bool:
            ended = self.process.poll() is not None
            printed = text in self.output()
            assert printed or not ended, f"{self.arguments} ended without {text!r}:\n{self.output()}"
            return printed

        wait_until(look, f"{text!r} in the output of {self.arguments}", deadline_sec)

    def end(self) -> None:
        """Make sure that it is gone. A stopped process dies of SIGKILL too."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Processes:
    """The children of one test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.children: list[Child] = []

    def python(self, *arguments: str, **environment: str) -> Child:
        """Start an interpreter with these arguments."""
        child = Child(list(arguments), self._folder / f"child-{len(self.children)}.log", environment)
        self.children.append(child)
        return child

    def runner(self, app: str = "support.jobs", **environment: str) -> Child:
        """Start `pynenc --app <app> runner start` on the store in the environment."""
        return self.python("-m", "pynenc", "--app", app, "runner", "start", **environment)

    def started_runner(self, app: str = "support.jobs", **environment: str) -> Child:
        """Start a runner and wait until it prints that it starts."""
        child = self.runner(app, **environment)
        child.await_output("Starting runner for app")
        return child

    def logs(self) -> str:
        """All that the children have printed."""
        return "\n".join(child.output() for child in self.children)

    def end(self) -> None:
        for child in self.children:
            child.end()


@contextmanager
def processes_in(folder: Path) -> Iterator[Processes]:
    """Children that do not outlive the block."""
    processes = Processes(folder)
    try:
        yield processes
    finally:
        processes.end()
    leaks = [" ".join(child.arguments) for child in processes.children if SENTINEL in child.output()]
    assert not leaks, f"the secret of the suite is in the output of {'; '.join(leaks)}"


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This environment, with the support package importable, unbuffered output, and `extra` (last word)."""
    path = os.pathsep.join(part for part in (str(TESTS), os.environ.get("PYTHONPATH", "")) if part)
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **(extra or {})}


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process so far, exact to the microsecond rather than to the clock tick."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((thread / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total / 1e9


def descendants(pid: int) -> set[int]:
    """Return every process below this one, zombies included."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found: set[int] = set()
    level = {pid}
    while level := {child for child, parent in parents.items() if parent in level}:
        found |= level
    return found


def stands_still(pid: int) -> bool:
    """Whether no thread of a process runs: after SIGSTOP some may run on for a moment."""
    states = set()
    for thread in Path(f"/proc/{pid}").glob("task/*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            states.add(thread.read_text().rpartition(")")[2].split()[0])
    # Stopped, or over.
    return states <= {"T", "Z", "X"}


def freeze(pids: Collection[int], store_url: str) -> None:
    """Stop processes (SIGSTOP) outside of writes: a process stopped in a write keeps the lock of an SQLite database.

    No lease ends such a lock, because no other process can write then; a system that ends a process also releases its
    locks.
    """

    def stopped_without_the_lock() -> bool:
        send_all(pids, signal.SIGSTOP)
        wait_until(lambda: all(map(stands_still, pids)), "all of them stand still")
        free = _nobody_writes(store_url)
        if not free:
            send_all(pids, signal.SIGCONT)
        return free

    wait_until(stopped_without_the_lock, "they stand still outside of a write")


def send_all(pids: Collection[int], signum: signal.Signals) -> None:
    """Send a signal to each process that still exists: a worker may end between the listing and the signal."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signum)


_PROBE = """
import sqlite3, sys
# Longer than those that go on write at a time, and a fraction of a lease.
database = sqlite3.connect(sys.argv[1], timeout=0.2, isolation_level=None)
try:
    database.execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    sys.exit(1 if error.sqlite_errorcode == sqlite3.SQLITE_BUSY else repr(error))
database.execute("ROLLBACK")
"""


def _nobody_writes(store_url: str) -> bool:
    scheme, _, path = store_url.partition(":///")
    if scheme != "sqlite":
        return True
    # In a separate process: closing a file releases all locks of the process on it, whichever library took them.
    return subprocess.run([sys.executable, "-c", _PROBE, path], check=False).returncode == 0
