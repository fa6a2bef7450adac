"""Servers that go back in time: an older snapshot, a log without its end, a replica that lags and is promoted."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from support.servers import RedisServer, redis_server
from support.topologies import SERVICE, SentinelGroup, sentinels
from support.waiting import wait_until


class TimeMachine(Protocol):
    """A Redis that loses everything after a point in time."""

    url: str

    def prepare(self) -> None:
        """Block until it could go back in time again."""

    def remember(self) -> None:
        """Keep everything up to now."""

    def travel(self) -> None:
        """Lose everything since that point, and answer again."""


class Snapshots:
    """The server is killed, and starts from a snapshot that is older than its death."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self.url = server.url
        self._saved = server.folder / "older.rdb"

    def prepare(self) -> None:
        """Nothing to wait for."""

    def remember(self) -> None:
        self._server.ask("SAVE", timeout=60)
        shutil.copy(self._server.folder / "dump.rdb", self._saved)

    def travel(self) -> None:
        self._server.kill()
        shutil.copy(self._saved, self._server.folder / "dump.rdb")
        self._server.start()


class TruncatedLogs:
    """A power cut with `appendfsync everysec`: the end of the log is missing, from some place in a command on."""

    OPTIONS = ("--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")

    def __init__(self, server: RedisServer, chance: random.Random) -> None:
        self._server = server
        self._chance = chance
        self.url = server.url
        self._size = 0

    def prepare(self) -> None:
        """Nothing to wait for."""

    def remember(self) -> None:
        # The server may write its log late, while an earlier part is flushed.
        mark = f"mark-{self._chance.randrange(2**64)}".encode()
        since = self._log().stat().st_size
        self._server.ask("SET", "mark", mark)
        self._size = wait_until(lambda: self._end_of(mark, since), "the log has all until now")

    def _end_of(self, mark: bytes, since: int) -> int:
        with self._log().open("rb") as log:
            log.seek(max(0, since - 4096))
            start, text = log.tell(), log.read()
        at = text.find(mark + b"\r\n")
        return start + at + len(mark) + 2 if at >= 0 else 0

    def travel(self) -> None:
        self._server.kill()
        with self._log().open("r+b") as log:
            log.seek(0, 2)
            log.truncate(min(log.tell(), self._size + self._chance.randrange(200)))
        self._server.start()

    def _log(self) -> Path:
        return max((self._server.folder / "appendonlydir").glob("*.incr.aof"))


def _offsets(server: RedisServer, pattern: str) -> list[int]:
    return [int(offset) for offset in re.findall(pattern, str(server.ask("INFO", "replication"), "utf-8"))]


class LaggingReplicas:
    """The primary is killed, and Sentinels promote a replica that has not received the latest writes."""

    def __init__(self, group: SentinelGroup) -> None:
        self._group = group
        self.url = group.url
        for sentinel in group.sentinels:
            # On a busy machine only the killed primary is replaced.
            sentinel.ask("SENTINEL", "SET", SERVICE, "down-after-milliseconds", "4000")

    def prepare(self) -> None:
        self._group.await_complete()

    def remember(self) -> None:
        primary = self._group.primary()
        known = _offsets(primary, r"master_repl_offset:(\d+)")[0]
        slaves = r"state=online,offset=(\d+)"
        wait_until(lambda: sum(at >= known for at in _offsets(primary, slaves)) == 2, "the replicas have all of it")
        # They get nothing more: they cannot log in.
        for server in self._group.servers:
            server.ask("CONFIG", "SET", "masterauth", "a wrong password")
        primary.ask("CLIENT", "KILL", "TYPE", "replica")

    def travel(self) -> None:
        old = self._group.primary()
        old.kill()
        new = self._group.await_another_primary(old)
        old.start()
        for server in self._group.servers:
            server.ask("CONFIG", "SET", "masterauth", "")
        # Sentinels would do that too, after a while.
        old.ask("REPLICAOF", "127.0.0.1", str(new.port))


@contextmanager
def _snapshots(chance: random.Random) -> Iterator[TimeMachine]:
    with redis_server() as server:
        yield Snapshots(server)


@contextmanager
def _truncated_logs(chance: random.Random) -> Iterator[TimeMachine]:
    with redis_server(*TruncatedLogs.OPTIONS) as server:
        yield TruncatedLogs(server, chance)


@contextmanager
def _lagging_replicas(chance: random.Random) -> Iterator[TimeMachine]:
    with sentinels() as group:
        yield LaggingReplicas(group)


WAYS: dict[str, Callable[[random.Random], AbstractContextManager[TimeMachine]]] = {
    "restart from an older snapshot": _snapshots,
    "restart with the end of the log cut off (everysec)": _truncated_logs,
    "promotion of a replica that lags": _lagging_replicas,
}
