"""A Redis server for one run: on loopback, on a free port, with its files in the run's folder, stopped at the end."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runners import RunnerFailed

START_DEADLINE_SEC = 10.0


@contextmanager
def reachable(store: str, folder: Path) -> Iterator[str]:
    """`store` itself, or, for `redis://` without a host, the URL of a server that lives as long as this block.

    Raises:
        RunnerFailed: `redis-server` is not installed, or does not start.
    """
    if store != "redis://":
        yield store
        return
    program = shutil.which("redis-server")
    if program is None:
        raise RunnerFailed("redis-server is not on the PATH (Debian and Ubuntu: apt install redis-server)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "redis.log"
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes"]
    with log.open("wb") as sink:
        # A separate group: Ctrl-C in the terminal is for the program, which stops the server after the runners.
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, process_group=0)
    try:
        _await(server, port, log)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


def _await(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE_SEC
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(64).startswith(b"+PONG"):
                    return
        except OSError:
            time.sleep(0.02)
    raise RunnerFailed(f"the Redis server did not start, see {log}")
