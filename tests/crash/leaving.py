"""An app whose bodies leave things behind that the end of a process completes."""

from __future__ import annotations

import asyncio
import atexit
import gzip
import logging.handlers
import os
import queue
import tempfile
import threading
import time
from pathlib import Path
from typing import TextIO

from support import flags

from pynenc import Pynenc

app = Pynenc()

FOLDER = tempfile.TemporaryDirectory()
"""Made at the import, in the process that workers are forked from."""


def file_of(kind: str, pid: int) -> Path:
    return Path(os.environ[flags.DIR_VARIABLE]) / f"{kind}-{pid}"


class Exporter:
    """Like the exporters of OpenTelemetry and Sentry: a queue, a daemon thread, and an exit function."""

    def __init__(self) -> None:
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        atexit.register(self.shut_down)

    def export(self, text: str) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, daemon=True)
            self._thread.start()
        self._queue.put(text)

    def _serve(self) -> None:
        while (text := self._queue.get()) is not None:
            # Slow, so that something is always left.
            time.sleep(0.05)
            with file_of("exported", os.getpid()).open("a") as sink:
                sink.write(text + "\n")

    def shut_down(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()


EXPORTER = Exporter()
_open: list[TextIO] = []


def _leave() -> int:
    pid = os.getpid()
    for number in range(3):
        EXPORTER.export(str(number))
    log = logging.getLogger("leaving")
    target = logging.FileHandler(file_of("logged", pid))
    log.addHandler(logging.handlers.MemoryHandler(1000, target=target))
    log.warning("a record")
    _open.append(file_of("written", pid).open("w"))
    _open[-1].write("a line")
    _open.append(gzip.open(file_of("compressed", pid), "wt"))  # noqa: SIM115
    _open[-1].write("a line")
    started = threading.Event()
    threading.Thread(target=_finish_later, args=(pid, started)).start()
    started.wait()
    return pid


def _finish_later(pid: int, started: threading.Event) -> None:
    started.set()
    time.sleep(0.3)
    file_of("finished", pid).write_text("by a thread")


@app.task
def leave() -> int:
    """Leave a queue, a log record, two buffers and a thread behind; the process."""
    return _leave()


@app.task
async def leave_from_a_coroutine() -> int:
    await asyncio.sleep(0)
    return _leave()


@app.task
def leave_a_thread_that_never_ends() -> int:
    threading.Thread(target=threading.Event().wait, name="never-ends").start()
    return os.getpid()


@app.task
def folder_is_there() -> bool:
    return Path(FOLDER.name).is_dir()


def left_by(pid: int) -> dict[str, str]:
    """Return the records of that process, by kind."""
    found = {}
    for kind in ("exported", "logged", "written", "finished"):
        path = file_of(kind, pid)
        found[kind] = path.read_text() if path.exists() else ""
    try:
        with gzip.open(file_of("compressed", pid), "rt") as source:
            found["compressed"] = source.read()
    except (OSError, EOFError):
        found["compressed"] = ""
    return found
