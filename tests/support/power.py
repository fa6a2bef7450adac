"""Power cuts of the disk below SQLite, replayed from a journal of its writes: see `tests/crash/journal_writes.c`.

A cut is a place in the journal. Earlier flushed writes are on the disk. Of later writes a disk has kept nothing, or
some in any order, or the first ones with the last write torn: `lost`, `random` and `torn`.
"""

from __future__ import annotations

import bisect
import hashlib
import json
import os
import random
import struct
import subprocess
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAGIC = 0x4C4E524A
HEAD = struct.Struct("<IBBHQQI")
OPEN, WRITE, TRUNCATE, UNLINK, SYNC_BEGIN, SYNC_END, ACK = range(1, 8)
MAIN, WAL, ROLLBACK, FOLDER = range(1, 5)
SUFFIXES = {MAIN: "", WAL: "-wal", ROLLBACK: "-journal"}
MODES = ("lost", "random", "torn")
SECTORS = (512, 4096)
DATABASE_VARIABLE, JOURNAL_VARIABLE = "TESTS_POWER_DATABASE", "TESTS_POWER_JOURNAL"


def built(folder: Path) -> Path:
    """The library to preload, compiled."""
    source = Path(__file__).resolve().parents[1] / "crash" / "journal_writes.c"
    library = folder / "journal_writes.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-o", library, source, "-ldl"], check=True)
    return library


def acknowledge(**what: Any) -> None:
    """Record an acknowledgement of the store in the journal."""
    body = json.dumps(what).encode()
    record = HEAD.pack(MAGIC, ACK, 0, 0, 0, 0, len(body)) + body
    descriptor = os.open(os.environ[JOURNAL_VARIABLE], os.O_WRONLY | os.O_APPEND)
    try:
        assert os.write(descriptor, record) == len(record)
    finally:
        os.close(descriptor)


def digest(payload: bytes | None) -> str:
    """An outcome in few letters."""
    return hashlib.sha1(payload or b"").hexdigest()[:16]


@dataclass(frozen=True)
class Record:
    """One entry of the journal."""

    kind: int
    file: int
    at: int
    token: int
    data: bytes


def records_of(journal: Path) -> list[Record]:
    """All of it. Fails where it is cut."""
    content, found, at = journal.read_bytes(), [], 0
    while at < len(content):
        magic, kind, file, _, offset, token, length = HEAD.unpack_from(content, at)
        assert magic == MAGIC, f"the journal is broken at byte {at}"
        at += HEAD.size
        assert at + length <= len(content), "the journal is cut"
        found.append(Record(kind, file, offset, token, content[at : at + length]))
        at += length
    return found


@dataclass
class Content:
    """One file while it has a name, and its writes that the disk may not have."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, Record]] = field(default_factory=list)
    named: bool = False
    """Whether its name is durable."""

    def flushed(self, before: int) -> None:
        """The writes before this place of the journal are on the disk."""
        while self.pending and self.pending[0][0] < before:
            apply(self.durable, self.pending.pop(0)[1])
        self.named = True


def apply(content: bytearray, record: Record) -> None:
    """Carry out a write or a truncation."""
    if record.kind == TRUNCATE:
        del content[record.at :]
    end = record.at + len(record.data)
    if len(content) < max(record.at, end):
        content.extend(bytes(max(record.at, end) - len(content)))
    content[record.at : end] = record.data


class Disk:
    """The certain and possible contents of the disk, at one place of the journal after the other.

    Flushes of the `deaf` files do not reach the disk: faults that the tool must find.
    """

    def __init__(self, records: list[Record], deaf: Collection[int] = ()) -> None:
        self._records = records
        self._deaf = deaf
        self._begun: dict[int, int] = {}
        self.at = 0
        self.files: dict[int, Content] = {}
        self.removed: dict[int, Content] = {}
        """Files whose removal is not durable yet."""
        self.acks: list[dict[str, Any]] = []
        self._ack_places: list[int] = []
        self._log_flushed = 0

    def advance(self, to: int) -> None:
        """Go on to this place."""
        for index in range(self.at, to):
            self._step(index, self._records[index])
        self.at = to

    def _step(self, index: int, record: Record) -> None:
        if record.kind == ACK:
            self.acks.append(json.loads(record.data))
            self._ack_places.append(index)
        elif record.kind == OPEN:
            self.files.setdefault(record.file, Content())
        elif record.kind in (WRITE, TRUNCATE):
            self.files.setdefault(record.file, Content()).pending.append((index, record))
        elif record.kind == UNLINK:
            self.removed.setdefault(record.file, self.files.pop(record.file))
        elif record.kind == SYNC_BEGIN:
            self._begun[record.token] = index
        elif record.file not in self._deaf:
            self._flushed(record.file, self._begun.pop(record.token))

    def _flushed(self, file: int, begun: int) -> None:
        if file == FOLDER:
            self.removed.clear()
            for content in self.files.values():
                content.named = True
        elif file in self.files:
            if file == WAL:
                self._log_flushed = begun
            # A file system that has the new file of a name on its disk has forgotten the old file.
            self.removed.pop(file, None)
            self.files[file].flushed(begun)

    def acknowledged_before_flush(self) -> int:
        """How many acknowledgements came before the last flush of the log began."""
        return bisect.bisect_left(self._ack_places, self._log_flushed)

    def images(self, mode: str, chance: random.Random) -> dict[int, bytes]:
        """Return the files as a disk may have them after a cut here. `all` means the content in the system."""
        found: dict[int, bytes] = {}
        for file, content in self.files.items():
            if content.named or mode == "all" or (mode != "lost" and chance.random() < 0.5):
                found[file] = _image(content, mode, chance)
        for file, content in self.removed.items():
            if file not in found and mode != "all" and (mode == "lost" or chance.random() < 0.5):
                found[file] = _image(content, mode, chance)
        return found


def _image(content: Content, mode: str, chance: random.Random) -> bytes:
    image = bytearray(content.durable)
    pending = [record for _, record in content.pending]
    if mode == "lost" or not pending:
        return bytes(image)
    if mode == "torn":
        kept = chance.randrange(len(pending))
        for record in pending[:kept]:
            apply(image, record)
        pending = [_beginning(pending[kept], chance)]
    elif mode == "random":
        pending = [part for record in pending for part in _some_sectors(record, chance)]
    for record in pending:
        apply(image, record)
    return bytes(image)


def _beginning(record: Record, chance: random.Random) -> Record:
    """A write of which the first sectors arrived; a truncation arrives or does not."""
    sector = chance.choice(SECTORS)
    sectors = -(-len(record.data) // sector)
    kept = chance.randrange(sectors + 1) * sector
    return Record(record.kind, record.file, record.at, 0, record.data[:kept])


def _some_sectors(record: Record, chance: random.Random) -> Iterator[Record]:
    """The sectors of a write that arrived, each by itself."""
    share, sector = chance.choice((0.1, 0.5, 0.9)), chance.choice(SECTORS)
    if record.kind == TRUNCATE:
        if chance.random() < share:
            yield record
        return
    for at in range(0, len(record.data), sector):
        if chance.random() < share:
            yield Record(WRITE, record.file, record.at + at, 0, record.data[at : at + sector])


def write_image(database: Path, images: dict[int, bytes]) -> None:
    """Write the files of an image to a folder where a store can open them. Shared memory is lost with the power."""
    for file, suffix in SUFFIXES.items():
        path = Path(f"{database}{suffix}")
        path.unlink(missing_ok=True)
        if file in images:
            path.write_bytes(images[file])
    Path(f"{database}-shm").unlink(missing_ok=True)


def places(records: list[Record], count: int, chance: random.Random) -> list[int]:
    """Where to cut: half of them anywhere after the first acknowledgement, half beside the end of a flush."""
    first = next(index for index, record in enumerate(records) if record.kind == ACK) + 1
    flushes = [index for index, record in enumerate(records) if record.kind == SYNC_END and index >= first]
    near = (index + chance.choice((-1, 0, 1, 2)) for index in chance.choices(flushes, k=count // 2))
    anywhere = (chance.randrange(first, len(records) + 1) for _ in range(count - count // 2))
    return sorted(min(max(place, first), len(records)) for place in (*near, *anywhere))


def same_as_on_disk(records: list[Record], database: Path) -> Iterable[str]:
    """Return the files that differ from the journal: none, if the journal is complete."""
    disk = Disk(records)
    disk.advance(len(records))
    images = disk.images("all", random.Random(0))
    for file, suffix in SUFFIXES.items():
        path = Path(f"{database}{suffix}")
        if (path.read_bytes() if path.exists() else None) != images.get(file):
            yield path.name
