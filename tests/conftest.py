"""Every test runs in a folder of its own, with no setting of the outer environment, on a printed seed."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ledger import Ledger
from support.processes import Processes, processes_in
from support.secrecy import leaks_below, leaks_in_report, without_secret
from support.worlds import STORES, World, load_jobs, set_environment

SEED = int(os.environ.get("TESTS_SEED") or random.SystemRandom().randrange(2**32))
"""Repeat a run with TESTS_SEED=<the seed it printed>."""
os.environ["TESTS_SEED"] = str(SEED)  # the same in every worker of pytest-xdist

# A runner on a thread of the test says that it takes no signals, which is what the test wants.
_NOT_THE_MAIN_THREAD = "ignore:.*not started in the main thread.*:UserWarning"


def pytest_configure(config: pytest.Config) -> None:
    # `nohup make test &` starts with SIGINT and SIGHUP ignored, and so would every process that a test starts.
    # A handler is not inherited.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda signum, frame: None)
    config.addinivalue_line("filterwarnings", _NOT_THE_MAIN_THREAD)


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {SEED} (repeat with TESTS_SEED={SEED})"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Where PYNENC_CI=1 says that everything is installed, a test that does not run is a failure."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if os.environ.get("PYNENC_CI") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which PYNENC_CI=1 does not accept: {report.longrepr}"
    # Whatever the suite prints and logs: its apps have this secret among their settings.
    if leaks := leaks_in_report(report):
        report.outcome = "failed"
        report.longrepr = f"the secret of the suite is in {', '.join(leaks)}\n{without_secret(report.longreprtext)}"
        report.sections = [(name, without_secret(text)) for name, text in report.sections]
    # A worker cannot send a lone surrogate to who writes the report, and dies of it.
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No setting from outside, an empty folder to work in, and no app left over for the next test."""
    for name in [name for name in os.environ if name.startswith("PYNENC__")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield
    from pynenc import Pynenc

    Pynenc._clear_instances()
    leaks = leaks_below(tmp_path)
    assert not leaks, f"the secret of the suite is in {', '.join(leaks)}"


@pytest.fixture
def seed() -> int:
    """The seed of this run."""
    return SEED


@pytest.fixture
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """The ledger that the bodies of this test write to."""
    request.getfixturevalue("shared_env" if "shared_env" in request.fixturenames else "sqlite_env")
    return Ledger.of_environment()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Children that end with the test."""
    with processes_in(tmp_path) as children:
        yield children


@pytest.fixture
def sqlite_env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A fresh SQLite store for the app of this test and of its children."""
    set_environment(monkeypatch, tmp_path, next(kind for kind in STORES if kind.name == "sqlite"))


@pytest.fixture(params=[kind for kind in STORES if kind.shared], ids=lambda kind: kind.name)
def shared_env(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A fresh store of each kind that processes share, for the app of this test and of its children."""
    set_environment(monkeypatch, tmp_path, request.param)


@pytest.fixture
def memory_env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A fresh store in memory for the app of this test."""
    set_environment(monkeypatch, tmp_path, next(kind for kind in STORES if kind.name == "memory"))


@pytest.fixture
def thread_world(sqlite_env: None) -> Iterator[World]:
    """A SQLite store and a ThreadRunner, not started yet."""
    from support.worlds import RUNNERS

    world = World(next(kind for kind in STORES if kind.name == "sqlite"), RUNNERS[0], load_jobs())
    yield world
    world.close()
