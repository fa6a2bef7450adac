"""From which of its queues a runner takes first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.worlds import STORES, StoreKind, set_environment

from pynenc import Pynenc
from pynenc.runner import ThreadRunner

ran: list[str] = []


def note(name: str) -> None:
    ran.append(name)


def note_too(name: str) -> None:
    ran.append(name)


@pytest.fixture(params=STORES, ids=[store.name for store in STORES])
def order(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    """Run calls in two queues on one slot; return the first letters of the calls in the order of their runs."""
    store: StoreKind = request.param
    set_environment(monkeypatch, tmp_path, store)
    ran.clear()

    def run(calls: str, queues: tuple[str, ...], strategy: str | None) -> str:
        app = Pynenc()
        tasks: dict[str, Any] = {"a": app.task(note, queue="a"), "b": app.task(note_too, queue="b")}
        invocations = [tasks[letter](letter) for letter in calls]
        runner = ThreadRunner(app)
        runner.conf.min_threads = runner.conf.max_threads = 1
        runner.conf.queues = queues
        if strategy is not None:
            runner.conf.queue_selection_strategy = strategy
        thread = threading.Thread(target=runner.run)
        thread.start()
        try:
            for invocation in invocations:
                assert invocation.result is None
        finally:
            runner.stop_runner_loop()
            thread.join(30)
        return "".join(ran)

    return run


@pytest.mark.parametrize(
    ("queues", "strategy", "expected"),
    [
        (("a", "b"), "round_robin", "abababab"),
        (("b", "a"), None, "babababa"),
        (("b", "a"), "ordered", "bbbbaaaa"),
        ((), "ordered", "aaaabbbb"),
    ],
)
def test_a_runner_chooses_among_its_queues(
    order: Callable[..., str], queues: tuple[str, ...], strategy: str | None, expected: str
) -> None:
    assert order("aaaabbbb", queues, strategy) == expected


def test_a_runner_that_chooses_at_random_serves_all_of_its_queues_at_a_time(order: Callable[..., str]) -> None:
    found = order("a" * 20 + "b" * 20, ("a", "b"), "random")
    assert sorted(found) == ["a"] * 20 + ["b"] * 20
    assert found not in ("a" * 20 + "b" * 20, "b" * 20 + "a" * 20)
