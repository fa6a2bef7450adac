"""A record of events, kept outside the store under test: one line per event, one O_APPEND write per line."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

FILE_VARIABLE = "TESTS_LEDGER"

_PIPE_BUF = 4096


class Ledger:
    """Appends events from any number of processes. A write is atomic, so no line is ever torn."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._fd: tuple[int, int] | None = None

    @classmethod
    def of_environment(cls) -> Ledger:
        """Return the ledger that the test named to its children; always the same object, so that bodies share one
        descriptor.
        """
        return _at(os.environ[FILE_VARIABLE])

    def write(self, durable: bool = False, **event: Any) -> None:
        """Append one event; with `durable`, return when it is on the disk."""
        line = (json.dumps(event) + "\n").encode()
        assert len(line) <= _PIPE_BUF, "an event must fit in one atomic write"
        descriptor = self._descriptor()
        assert os.write(descriptor, line) == len(line)
        if durable:
            os.fsync(descriptor)

    def events(self, since: int = 0) -> list[dict[str, Any]]:
        """Return all events in the order of their writes, or those after an earlier `size()`."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(since)
            text = file.read()
        # A reader may see the beginning of a line that is being written.
        return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]

    def size(self) -> int:
        """In bytes, for `events(since)`."""
        return self.path.stat().st_size if self.path.exists() else 0

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Return the events written with `kind=`."""
        return [event for event in self.events() if event.get("kind") == kind]

    def _descriptor(self) -> int:
        pid = os.getpid()
        if self._fd is None or self._fd[0] != pid:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._fd = (pid, os.open(self.path, flags, 0o644))
        return self._fd[1]

    def __del__(self) -> None:
        if self._fd is not None and self._fd[0] == os.getpid():
            os.close(self._fd[1])


class Tally:
    """Return the number of events of one kind; continues to read at the last position."""

    def __init__(self, ledger: Ledger, kind: str) -> None:
        self._path = ledger.path
        self._mark = f'"kind": "{kind}"'.encode()
        self._offset = self._found = 0

    def count(self) -> int:
        """So far."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
            # Whole lines: a mark may be cut in two.
            data = data[: data.rfind(b"\n") + 1]
            self._offset += len(data)
            self._found += data.count(self._mark)
        return self._found


@functools.lru_cache(maxsize=4)
def _at(path: str) -> Ledger:
    return Ledger(path)
