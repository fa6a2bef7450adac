"""The limits of the machine itself: the yardsticks of the comparison. `python benches/limits.py` prints JSON lines."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from support.servers import redis_server

SECONDS = 1.0
"""How long each is repeated."""

NAIVE_SCRIPT = (
    "redis.call('HSET', KEYS[1], 'payload', ARGV[1]) redis.call('LPUSH', KEYS[2], ARGV[1]) redis.call('RPOP', KEYS[2]) "
    "redis.call('HSET', KEYS[1], 'result', ARGV[1]) redis.call('PEXPIRE', KEYS[1], 60000) return 1"
)
"""Five commands, about the minimum for one task."""


def rate(work: Callable[[], object], each: int = 1) -> float:
    """Repetitions a second; each call of `work` counts as `each`."""
    work()
    began, count = time.perf_counter(), 0
    while (taken := time.perf_counter() - began) < SECONDS:
        work()
        count += each
    return count / taken


def ping(port: int) -> float:
    """One client, one PING at a time, on a plain socket."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def once() -> None:
            connection.sendall(b"*1\r\n$4\r\nPING\r\n")
            assert connection.recv(64) == b"+PONG\r\n"

        return rate(once)


def redis_benchmark(port: int, *words: str) -> float:
    """Requests a second by the server's own load generator."""
    command = ["redis-benchmark", "-p", str(port), "--csv", *words]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(re.findall(r'"([\d.]+)"', text.splitlines()[-1])[0])


def plain_loop() -> float:
    """Decode the arguments, call, encode the result: no task system can do less per task."""
    decode = msgspec.json.Decoder(dict[str, int]).decode
    encode = msgspec.json.Encoder().encode

    def echo(value: int) -> int:
        return value

    def thousand() -> None:
        for _ in range(1_000):
            encode(echo(**decode(b'{"value":12345}')))

    return rate(thousand, 1_000)


def executor() -> tuple[float, float]:
    """`ThreadPoolExecutor(8)`: tasks a second submitted at once, and the median of one at a time, in ms."""
    with ThreadPoolExecutor(8) as pool:
        many = rate(lambda: [future.result() for future in [pool.submit(int) for _ in range(5_000)]], 5_000)
        taken = []
        for _ in range(5_000):
            began = time.perf_counter()
            pool.submit(int).result()
            taken.append(time.perf_counter() - began)
    return many, sorted(taken)[len(taken) // 2] * 1e3


def fsync(folder: str) -> float:
    """Appends of 100 bytes, each flushed to the disk."""
    with Path(folder, "fsync").open("wb", buffering=0) as file:

        def once() -> None:
            file.write(b"x" * 100)
            os.fdatasync(file.fileno())

        return rate(once)


def commits(folder: str, rows: int) -> float:
    """Rows a second in SQLite, so many in a transaction that is flushed to the disk."""
    database = sqlite3.connect(Path(folder, "commits.db"), isolation_level=None)
    database.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
        "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, b BLOB)"
    )

    def once() -> None:
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO t (b) VALUES (?)", [(b"x" * 100,)] * rows)
        database.execute("COMMIT")

    try:
        return rate(once, rows)
    finally:
        database.close()


def measure() -> dict[str, dict[str, object]]:
    """All of them, by name."""
    found: dict[str, dict[str, object]] = {}

    def note(name: str, value: float, unit: str, what: str) -> None:
        found[name] = {"value": value, "unit": unit, "what": what}

    with redis_server() as server:
        note("ping", ping(server.port), "1/s", "bare Redis round trip of one client")
        note("ping_pipelined", redis_benchmark(server.port, "-t", "ping_mbulk", "-n", "300000", "-P", "50"), "1/s",
             "PING pipelined by redis-benchmark")  # fmt: skip
        words = ("-n", "100000", "-P", "50", "eval", NAIVE_SCRIPT, "2", "key:__rand_int__", "queue", "x" * 64)
        note("script_pipelined", redis_benchmark(server.port, "-r", "100000", *words), "1/s",
             "a script of five commands, pipelined")  # fmt: skip
    note("plain_loop", plain_loop(), "1/s", "plain Python loop: decode, call, encode")
    many, median = executor()
    note("executor", many, "1/s", "ThreadPoolExecutor(8): submit + result")
    note("executor_p50", median, "ms", "the same, one at a time, median")
    with tempfile.TemporaryDirectory(prefix="limits-") as folder:
        note("fsync", fsync(folder), "1/s", "appends flushed to the disk")
        note("commit", commits(folder, 1), "1/s", "SQLite commits flushed to the disk, one row each")
        note("commit_100", commits(folder, 100), "rows/s", "the same, 100 rows each")
    return found


def main() -> int:
    """Print them."""
    for name, row in measure().items():
        print(json.dumps({"limit": name, **row}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
