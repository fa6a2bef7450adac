"""Fixtures of the suites: a fresh store of each kind, and runners in this process or in separate processes."""

from __future__ import annotations

import importlib
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.servers import RedisServer, redis_server

from pynenc import Pynenc

STORES = ("memory", "sqlite", "redis")
ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(ROOT / "benches"):
            # Whatever hangs is ended; nothing here is slow on purpose but the idle windows and the long queues.
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def server() -> Iterator[RedisServer]:
    """The Redis server of the session."""
    with redis_server() as started:
        yield started


@pytest.fixture
def url_of(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """The URL of a fresh store of a kind."""

    def url(kind: str) -> str:
        if kind == "redis":
            return str(request.getfixturevalue("server").url)
        return {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/bench.db"}[kind]

    return url


@pytest.fixture(params=STORES)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of store."""
    return str(request.param)


@pytest.fixture
def tasks(kind: str, url_of: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module of tasks, its app new and on a fresh store."""
    for name in [name for name in os.environ if name.startswith("PYNENC__")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BENCH_APP", f"bench-{uuid.uuid4().hex[:8]}")
    monkeypatch.setenv("PYNENC__STORE_URL", url_of(kind))
    Pynenc._clear_instances()
    sys.modules.pop("bench_tasks", None)
    module = importlib.import_module("bench_tasks")
    yield module
    module.app.purge()


class Measured:
    """The value of one benchmark with its unit; `make bench` collects it under the name of the test."""

    def __init__(self, benchmark: Any, question: str) -> None:
        self._benchmark = benchmark
        self._info: dict[str, Any] = benchmark.extra_info
        self._info["question"] = question

    def rate(
        self, work: Callable[[], object], tasks: int, rounds: int = 5, setup: Callable[[], None] | None = None
    ) -> None:
        """Measure tasks a second, if one call of `work` runs so many."""
        self._info.update(unit="tasks/s", per_round=tasks)
        self._benchmark.pedantic(work, rounds=rounds, warmup_rounds=1, setup=setup)

    def latency(self, work: Callable[[], object], rounds: int = 300) -> None:
        """Measure the milliseconds of one call."""
        self._info["unit"] = "ms"
        self._benchmark.pedantic(work, rounds=rounds, warmup_rounds=min(20, rounds))

    def value(self, work: Callable[[], float], unit: str) -> float:
        """Measure the return value of `work` once, in its own unit."""
        found: float = self._benchmark.pedantic(work, rounds=1)
        self._info.update(unit=unit, value=found)
        return found


@pytest.fixture
def measured(benchmark: Any, request: pytest.FixtureRequest) -> Measured:
    """How a benchmark of the suites reports."""
    return Measured(benchmark, (request.node.function.__doc__ or "").strip().partition("\n")[0])
