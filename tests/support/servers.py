"""Redis servers of the tests' own: on loopback, on free ports, in a temporary folder, gone when the tests end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO, Any

from support.waiting import wait_until

_PORTS = range(12_000, 21_000)
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_OWN_PORTS = _PORTS[_WORKER % _WORKERS :: _WORKERS]
"""Two workers of a run never try the same port, not even that of a server that is about to restart."""
_NEXT = count(os.getpid() * 37)


class ServerError(Exception):
    """The server answered something else."""


def free_port() -> int:
    """Return a port that was free a moment ago, like the port 10000 above, which a node of a Cluster uses too.

    The port is below the range that the system gives to clients, so a restarted server finds it free.
    """
    while True:
        port = _OWN_PORTS[next(_NEXT) % len(_OWN_PORTS)]
        try:
            for each in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", each))
        except OSError:
            continue
        return port


_ENDS_WITH_THE_TESTS = ("setpriv", "--pdeathsig", "KILL")
"""The exit functions end the servers after any kill of the test process; in an orderly end the tests stop them."""


class RedisServer:
    """One `redis-server`, started on construction."""

    def __init__(self, folder: Path, *options: str, port: int | None = None, sentinel: str | None = None) -> None:
        program = shutil.which("redis-server")
        assert program is not None, "redis-server is not on the PATH: run the tests with `make test`, which installs it"
        self.folder = folder
        self.port = port or free_port()
        common = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder))
        if sentinel is None:
            # Nothing is saved in the time that a test takes, but a server that never saves is warned of.
            save = ("--save", "86400 1", "--appendonly", "no")
            self._command = [
                *_ENDS_WITH_THE_TESTS,
                program,
                *common,
                *save,
                "--enable-debug-command",
                "local",
                *options,
            ]
        else:
            file = folder / f"sentinel-{self.port}.conf"
            file.write_text(sentinel)
            self._command = [*_ENDS_WITH_THE_TESTS, program, str(file), *common, "--sentinel"]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it (again) and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_until(self._answers, f"a Redis server on port {self.port}")

    def kill(self) -> None:
        """Kill the server like a power failure. A stopped server dies too."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def send(self, signum: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(signum)

    def ask(self, *words: str | bytes, timeout: float = 10.0) -> Any:
        """Send one command on a separate connection and return the answer. Raises `ServerError` for an error."""
        return self._ask([words], timeout)

    def ask_as(self, user: str, password: str, *words: str | bytes, timeout: float = 10.0) -> Any:
        """Log in, send one command and return the answer. Raises `ServerError` for an error, also of the login."""
        return self._ask([("AUTH", user, password), words], timeout)

    def _ask(self, commands: list[tuple[str | bytes, ...]], timeout: float) -> Any:
        answer: Any = None
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection,
            connection.makefile("rb") as stream,
        ):
            for words in commands:
                connection.sendall(_encoded(words))
                answer = _answer(stream)
        return answer

    def command(self, *words: str) -> None:
        """The same, whatever the answer is."""
        try:
            self.ask(*words)
        except ServerError:
            return

    @property
    def _log(self) -> Path:
        return self.folder / f"redis-{self.port}.log"

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        try:
            return bool(self.ask("PING") == "PONG")
        except ServerError as error:
            # It wants a password first, so it is there.
            return str(error).startswith("NOAUTH")
        except OSError:
            return False


def _encoded(words: tuple[str | bytes, ...]) -> bytes:
    parts = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n%s" % (len(parts), b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))


def _answer(stream: IO[bytes]) -> Any:
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the server hung up")
    kind, rest = line[:1], line[1:-2]
    if kind == b"-":
        raise ServerError(rest.decode())
    if kind == b"+":
        return rest.decode()
    if kind == b":":
        return int(rest)
    length = int(rest)
    if length < 0:
        return None
    if kind == b"*":
        return [_answer(stream) for _ in range(length)]
    return stream.read(length + 2)[:-2]


@contextmanager
def server_folder() -> Iterator[Path]:
    """A folder for servers, gone with the block."""
    folder = Path(tempfile.mkdtemp(prefix="redis-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """A server for this block."""
    with server_folder() as folder:
        server = RedisServer(folder, *options)
        try:
            yield server
        finally:
            server.kill()
