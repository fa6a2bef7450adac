"""Libraries that freeze time, such as freezegun, hold up neither a runner beside the test nor a wait of the test."""

from __future__ import annotations

import ast
import functools
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import flags
from support.worlds import RUNNERS, STORES, World, make_world

import pynenc
from pynenc.exceptions import InvocationTimeoutError

FROZEN = ("monotonic", "monotonic_ns", "time", "time_ns", "perf_counter", "perf_counter_ns")
LEFT_ALONE = ("threading", "queue", "multiprocessing", "_pytest", "pytest", "support")
"""Modules that freezegun ignores, and the tests' own helpers."""


def _freeze(monkeypatch: pytest.MonkeyPatch) -> None:
    """As freezegun does: replace the functions of `time`, and all that modules call them."""
    moments = {id(getattr(time, name)): getattr(time, name)() for name in FROZEN}
    for module_name, module in list(sys.modules.items()):
        if not module_name.startswith(LEFT_ALONE):
            for name, value in list(getattr(module, "__dict__", {}).items()):
                if id(value) in moments:
                    monkeypatch.setattr(module, name, functools.partial(moments.__getitem__, id(value)))


@pytest.fixture(params=[kind for kind in RUNNERS if kind.in_process], ids=lambda kind: kind.name)
def world(
    request: pytest.FixtureRequest, memory_env: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[World]:
    memory = next(kind for kind in STORES if kind.name == "memory")
    world = make_world(memory, request.param, monkeypatch, tmp_path)
    yield world
    world.stop()


def test_runs_waits_and_timeouts_go_on_while_time_is_frozen(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as frozen:
        _freeze(frozen)
        assert time.monotonic() == time.monotonic()
        world.start()
        assert sorted(world.jobs.basics.add.parallelize([(n, 1) for n in range(20)]).results) == list(range(1, 21))
        held = world.jobs.basics.until("gate")
        group = world.jobs.basics.until.parallelize([("gate",)])
        flags.await_flag("gate-started")
        for wait in (held.get_result, group.get_results):
            with pytest.raises(InvocationTimeoutError):
                wait(timeout=0.1)
        flags.raise_flag("gate", "open")
        assert (held.result, group.get_results()) == ("open", ["open"])
        assert world.jobs.limits.quick(1).get_result(timeout=60) == 1
        world.stop()


STEADY = {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"}
"""Clocks for spans. The wall clock (`time.time`) may be frozen: it only shows when something was."""


def _steady_clocks(source: str) -> list[str]:
    """Where a module names a clock for spans that a library may replace."""
    found = []
    tree = ast.parse(source)
    names = {"time"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name for alias in node.names if alias.name == "time"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            found += [f"line {node.lineno}: {alias.name}" for alias in node.names if alias.name in STEADY]
        elif isinstance(node, ast.Attribute) and node.attr in STEADY and isinstance(node.value, ast.Name):
            found += [f"line {node.lineno}: {node.attr}"] if node.value.id in names else []
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import time\nx = time.monotonic()",
        "import time as t\nclock = t.perf_counter",
        "from time import monotonic_ns as now",
        "import time\ndef wait(clock=time.monotonic): ...",
    ],
)
def test_every_way_to_read_a_clock_that_is_replaced_is_found(source: str) -> None:
    assert len(_steady_clocks(source)) == 1


def test_no_module_reads_a_clock_for_spans_by_a_name_that_is_replaced() -> None:
    package = Path(pynenc.__file__).parent
    modules = [path for path in package.rglob("*.py") if path.parent.name != "testing"]
    assert len(modules) > 100
    found = {str(path.relative_to(package)): _steady_clocks(path.read_text()) for path in modules}
    # The native clock, which nothing replaces, is read there.
    assert {path for path, lines in found.items() if lines} == {"util/clock.py"}
