"""Fixtures for pytest: an app under test, new apps on each store, a running runner, and a benchmark of any runner.

pytest finds this module through the installed package. Loading it imports nothing of pynenc: each fixture brings what
it needs when it is first used.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.runner.base_runner import BaseRunner
    from pynenc.testing.app_test import AppTest
    from pynenc.testing.benchmark import RunnerBenchmark, RunnerReport

REDIS_VARIABLE = "PYNENC_TEST_REDIS_URL"
"""Names a Redis server for tests, for machines without `redis-server`. The fixtures use their own app ids there."""

_START_SEC = 30.0
_reports: list[RunnerReport] = []

_test_apps: list[Pynenc] = []
"""The apps that `pynenc_app` has created for running tests."""


@pytest.fixture(scope="session")
def pynenc_redis_url() -> Iterator[str]:
    """Fixture: the URL of a Redis server, from `PYNENC_TEST_REDIS_URL` or started for this session.

    Skips the test without either. Blocks for up to 30 s until a started server answers.

    Yields:
        The URL.
    """
    given = os.environ.get(REDIS_VARIABLE)
    if given:
        yield given
        return
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip(f"no redis-server on the PATH, and {REDIS_VARIABLE} is not set")
    folder = tempfile.mkdtemp(prefix="pynenc-redis-")
    port = _free_port()
    options = ("--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no")
    server = subprocess.Popen([program, *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        _wait_for_port(port, server)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def pynenc_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Fixture: a function from `"memory"`, `"sqlite"`, `"redis"` or a URL to the URL of a store for this test.

    Args:
        request: the fixture of pytest.
        tmp_path: the fixture of pytest; the SQLite file is there.
    Returns:
        The function.
    """

    def url(kind: str) -> str:
        if kind == "redis":
            return str(request.getfixturevalue("pynenc_redis_url"))
        return {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path / 'pynenc.db'}"}.get(kind, kind)

    return url


@pytest.fixture
def pynenc_app(pynenc_store_url: Callable[[str], str]) -> Iterator[Callable[..., Pynenc]]:
    """Fixture: a function that makes an app with an id and a store of its own, emptied after the test.

    Call it as `pynenc_app("sqlite", **settings)`.

    Args:
        pynenc_store_url: the fixture.
    Yields:
        The function.
    """
    made: list[Pynenc] = []

    def make(store: str = "memory", **settings: Any) -> Pynenc:
        from pynenc.app import Pynenc

        values = {"logging_level": "warning", **settings, "store_url": pynenc_store_url(store)}
        app = Pynenc(app_id=f"test-{uuid.uuid4().hex[:12]}", config_values=values)
        made.append(app)
        _test_apps.append(app)
        return app

    yield make
    for app in made:
        _test_apps.remove(app)
        app.purge()


@pytest.fixture
def pynenc_memory_app(pynenc_app: Callable[..., Pynenc]) -> Pynenc:
    """Fixture: an app on a new store in memory.

    Args:
        pynenc_app: the fixture.
    Returns:
        The app.
    """
    return pynenc_app("memory")


@pytest.fixture
def pynenc_sqlite_app(pynenc_app: Callable[..., Pynenc]) -> Pynenc:
    """Fixture: an app on a SQLite file in `tmp_path`.

    Args:
        pynenc_app: the fixture.
    Returns:
        The app.
    """
    return pynenc_app("sqlite")


@pytest.fixture
def pynenc_redis_app(pynenc_app: Callable[..., Pynenc]) -> Pynenc:
    """Fixture: an app on the server of `pynenc_redis_url`.

    Args:
        pynenc_app: the fixture.
    Returns:
        The app.
    """
    return pynenc_app("redis")


@contextmanager
def running(runner: BaseRunner) -> Iterator[BaseRunner]:
    """Run a runner on a thread of this process for the time of a `with` block. Blocks until it runs, for up to 30 s.

    Args:
        runner: the runner.
    Yields:
        The runner.
    Raises:
        TimeoutError: it did not start, or `run()` has not returned at the end.
        BaseException: what `run()` raised.
    """
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with warnings.catch_warnings():
                # The warning that a runner on a second thread takes no signals is expected here.
                warnings.simplefilter("ignore", UserWarning)
                runner.run()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="pynenc-runner-of-the-test", daemon=True)
    thread.start()
    deadline = time.monotonic() + _START_SEC
    while not runner.wait_until_started(0.05):
        if errors or time.monotonic() > deadline:
            raise errors[0] if errors else TimeoutError(f"{runner.runner_id} did not start within {_START_SEC:g} s")
    try:
        yield runner
    finally:
        runner.stop_runner_loop()
        thread.join(_timing(runner) + 10.0)
    if errors:
        raise errors[0]
    if thread.is_alive():
        raise TimeoutError(f"{runner.runner_id} did not stop: run() has not returned")


class IsolateApp(Protocol):
    """Type of the fixture `pynenc_test`: isolates an app until the end of the test."""

    def __call__(self, app: Pynenc, store: str = "memory", *, manual_clock: bool = False, **settings: Any) -> AppTest:
        """Isolate an app, as `pynenc.testing.isolated` does.

        Args:
            app: the app of the code under test.
            store: `"memory"`, `"sqlite"`, or the URL of an empty store.
            manual_clock: let the time of the store stand still until `AppTest.advance`.
            **settings: fields of `ConfigPynenc`.
        Returns:
            The app under test.
        """


class StartRunner(Protocol):
    """Type of the fixture `pynenc_runner`: starts a runner that ends with the test."""

    def __call__(self, app: Pynenc, cls: Callable[[Pynenc], BaseRunner] | None = None, **settings: Any) -> BaseRunner:
        """Start a runner on a thread. Blocks until it runs, for up to 30 s.

        Args:
            app: the app.
            cls: the class of the runner, or a function that makes one; None means `ThreadRunner`.
            **settings: assigned to the runner's `conf`.
        Returns:
            The running runner.
        """


@pytest.fixture
def pynenc_test() -> Iterator[IsolateApp]:
    """Fixture: a function that isolates an app until the test ends, `test = pynenc_test(app)`; see `IsolateApp`.

    Yields:
        The function.
    """
    with ExitStack() as stack:

        def isolate(app: Pynenc, store: str = "memory", *, manual_clock: bool = False, **settings: Any) -> AppTest:
            from pynenc.testing.app_test import isolated

            return stack.enter_context(isolated(app, store, manual_clock=manual_clock, **settings))

        yield isolate


@pytest.fixture
def pynenc_runner(pynenc_test: IsolateApp) -> Iterator[StartRunner]:
    """Fixture: a function that starts runners which end with the test; see `StartRunner`.

    `pynenc_runner(app)` is a `ThreadRunner`; `pynenc_runner(app, MyRunner, min_parallel_slots=4)` is a runner of yours
    with settings.

    Args:
        pynenc_test: the fixture, so that a runner stops before its app gets its own store back.
    Yields:
        The function.
    """
    with ExitStack() as stack:

        def start(app: Pynenc, cls: Callable[[Pynenc], BaseRunner] | None = None, **settings: Any) -> BaseRunner:
            from pynenc.runner import ThreadRunner

            _warn_of_real_store(app)
            runner = (cls or ThreadRunner)(app)
            for name, value in settings.items():
                setattr(runner.conf, name, value)
            return stack.enter_context(running(runner))

        yield start


def _warn_of_real_store(app: Pynenc) -> None:
    from pynenc._kernel.runtime import runtime_of
    from pynenc.conf.masking import masked_url
    from pynenc.conf.store_url import kind_of, resolve_store_url

    url = resolve_store_url(app.conf)
    if kind_of(url) == "memory" or runtime_of(app).is_set_aside or any(one is app for one in _test_apps):
        return
    warnings.warn(
        f"pynenc_runner runs what is in the own store of app {app.app_id!r}, {masked_url(url)}: isolate the app first, "
        "with pynenc_test(app)",
        UserWarning,
        stacklevel=3,
    )


@pytest.fixture
def runner_benchmark(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch, pynenc_store_url: Callable[[str], str]
) -> RunnerBenchmark:
    """Fixture: measures a runner, `runner_benchmark(MyRunner)`; see `RunnerBenchmark`.

    Needs pytest-benchmark, whose report gets the numbers as `extra_info`.

    Args:
        benchmark: the fixture of pytest-benchmark.
        monkeypatch: the fixture of pytest.
        pynenc_store_url: the fixture.
    Returns:
        The callable object.
    """
    from pynenc.testing.benchmark import RunnerBenchmark

    return RunnerBenchmark(benchmark, monkeypatch, pynenc_store_url, _reports.append)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Hook of pytest: print what the runner benchmarks of this session found.

    Args:
        terminalreporter: pytest's reporter.
    """
    if _reports:
        terminalreporter.section("pynenc runners")
        for report in _reports:
            terminalreporter.write_line(report.line())
        _reports.clear()


def _timing(runner: BaseRunner) -> float:
    return float(getattr(runner.conf, "stop_grace_sec", 30.0))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for_port(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SEC
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"redis-server does not answer on port {port}") from None
            time.sleep(0.02)
