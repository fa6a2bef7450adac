"""A wait that may never end gives the reason: in the log after `wait_warning_sec`, and in the error of a timeout."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.processes import Processes
from support.waiting import wait_until
from support.worlds import RUNNERS, STORES, World, load_jobs, make_world

from pynenc import Pynenc
from pynenc._kernel.runtime import runtime_of
from pynenc._wait import report as _wait_report
from pynenc._wait.runner_cards import live_runners
from pynenc.exceptions import InvocationTimeoutError

WAITS = ["result", "group", "await", "await group"]


@pytest.fixture(params=STORES, ids=lambda store: store.name)
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """A store of each kind. Waits are long after a tenth of a second, and runners serve no queue of a task."""
    monkeypatch.setenv("PYNENC__WAIT_WARNING_SEC", "0.1")
    monkeypatch.setenv("PYNENC__QUEUES", "letters")
    world = make_world(request.param, RUNNERS[0], monkeypatch, tmp_path)
    yield world
    world.close()


class Waiter:
    """Waits for calls in one way, on a separate thread."""

    def __init__(self, jobs: Any, way: str) -> None:
        self.group = jobs.basics.add.parallelize([(1, 1), (1, 2)])
        self.results: list[int] = []
        self._way = way
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def _wait(self) -> None:
        if self._way == "result":
            self.results = [invocation.result for invocation in self.group]
        elif self._way == "group":
            self.results = sorted(self.group.results)
        else:
            self.results = sorted(asyncio.run(self._await()))

    async def _await(self) -> list[int]:
        if self._way == "await":
            return [await invocation for invocation in self.group]
        return [result async for result in self.group.async_results()]

    def end(self) -> None:
        self._thread.join(60)
        assert self.results == [2, 3]


@pytest.mark.parametrize("way", WAITS)
def test_a_wait_for_an_unserved_queue_logs_a_warning_and_goes_on(
    world: World, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    runner = world.start(slots=1)
    written: list[str] = []

    def warned() -> list[str]:
        written.append(capsys.readouterr().err)
        return [line for line in "".join(written).splitlines() if "still waiting" in line]

    waiter = Waiter(world.jobs, way)
    wait_until(lambda: bool(warned()), "the wait says why")
    [warning] = warned()
    assert " WARNING " in warning
    assert re.search(
        r"still waiting after \S+ s: invocation \S+ of support\.jobs\.basics\.add is registered in queue 'default'",
        warning,
    )
    assert world.app._runtime.store.url.partition(":")[0] in warning
    assert f"no live runner is known that serves this queue; there are: {runner.runner_id} (queues: letters)" in warning
    with pytest.raises(InvocationTimeoutError) as raised:
        waiter.group.invocations[0].get_result(timeout=0.1)
    assert "is registered in queue 'default' of " in str(raised.value)
    assert str(raised.value).count(str(waiter.group.invocations[0].invocation_id)) == 1
    assert re.match(
        r"invocation \S+ of support\.jobs\.basics\.add did not finish within 0.1 s: it is reg", str(raised.value)
    )
    assert f"there are: {runner.runner_id} (queues: letters)" in str(raised.value)
    with pytest.raises(
        InvocationTimeoutError, match=r"2 of 2 .* did not finish within 0.1 s: invocation .* is registered"
    ):
        waiter.group.get_results(timeout=0.1)
    world.stop()
    assert live_runners(runtime_of(world.app)) == [], "a runner that stops takes its card back"
    runner.conf.queues = ("letters", "default")
    world.restart()
    waiter.end()
    assert len(warned()) == 1, "once a minute for each task"


def test_a_wait_that_ends_in_time_says_nothing_and_asks_nothing(
    thread_world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    thread_world.start(slots=1)
    assert thread_world.jobs.basics.add(1, 2).result == 3
    assert asyncio.run(_awaited(thread_world.jobs.basics.add(1, 2))) == 3
    thread_world.stop()
    assert "still waiting" not in capsys.readouterr().err
    assert "wait_reporter" not in thread_world.app._runtime.parts


async def _awaited(invocation: Any) -> Any:
    return await invocation


def test_a_wait_for_what_runs_is_no_warning(
    thread_world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = thread_world.start(slots=1)
    thread_world.app.conf.wait_warning_sec = 0.1
    held = thread_world.jobs.basics.until("gate")
    flags.await_flag("gate-started")
    with pytest.raises(
        InvocationTimeoutError, match=r"is running in queue 'default' of sqlite:///\S+, owned by ThreadRunner"
    ):
        held.get_result(timeout=0.3)
    written: list[str] = []

    def said() -> list[str]:
        written.append(capsys.readouterr().err)
        return [line for line in "".join(written).splitlines() if "still waiting" in line]

    wait_until(lambda: bool(said()), "the wait says why")
    assert " INFO " in said()[0]
    flags.raise_flag("gate", "through")
    assert held.get_result(timeout=60) == "through"
    # Behind it in the same queue.
    assert runner.running


def test_a_body_that_waits_for_an_unserved_queue_logs_a_warning(
    sqlite_env: None, processes: Processes, tmp_path: Path
) -> None:
    (tmp_path / "two.py").write_text(
        "from pynenc import Pynenc\napp = Pynenc()\n"
        "@app.task(queue='nobody')\ndef inner() -> int:\n    return 1\n"
        "@app.task\ndef outer() -> int:\n    return inner().result\n"
        "@app.task\nasync def outer_async() -> int:\n    return await inner()\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        sys.modules.pop("two", None)
        import two  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(tmp_path))
    for name, runner_cls in (("outer", "ThreadRunner"), ("outer_async", "AsyncRunner"), ("outer", "ProcessRunner")):
        runner = processes.runner(
            "two", PYTHONPATH=str(tmp_path), PYNENC__RUNNER_CLS=runner_cls, PYNENC__QUEUES="default",
            PYNENC__WAIT_WARNING_SEC="0.2",
        )  # fmt: skip
        getattr(two, name)()
        runner.await_output("is registered in queue 'nobody' of sqlite:///")
        runner.await_output("no live runner is known that serves this queue; there are: " + runner_cls)
        assert re.search(rf"WARNING \S+ \[{name}: \S+\]|WARNING \S+ still waiting", runner.output())
        runner.send(signal.SIGKILL)
        runner.wait()


def test_a_runner_that_does_not_know_the_task_is_named(sqlite_env: None, processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("from pynenc import Pynenc\napp = Pynenc()\n")
    jobs = load_jobs()
    processes.runner("empty", PYTHONPATH=str(tmp_path), PYNENC__RUNNER_CLS="ThreadRunner")
    wait_until(lambda: len(live_runners(runtime_of(jobs.app))) == 1, "the runner is known")
    [card] = live_runners(runtime_of(jobs.app))
    reporter, call = _wait_report._reporter(runtime_of(jobs.app)), jobs.basics.add(1, 1)

    def hopeless() -> _wait_report.Report | None:
        report = reporter._report(call)
        return report if report.hopeless else None

    # The runner claims the call first, and hands back an unknown task.
    report = wait_until(hopeless, "nobody is left who could run it")
    assert f"{card.runner} (queues: all) did not import its module" in report.text


def test_the_card_of_a_runner_that_was_killed_counts_no_more(shared_env: None, processes: Processes) -> None:
    jobs = load_jobs()
    runner = processes.started_runner(PYNENC__RUNNER_CLS="ThreadRunner")
    wait_until(lambda: len(live_runners(runtime_of(jobs.app))) == 1, "the runner is known")
    [card] = live_runners(runtime_of(jobs.app))
    assert card.serves("whatever")
    assert card.knows("support.jobs.basics.add")
    runner.send(signal.SIGKILL)
    runner.wait()
    assert live_runners(runtime_of(jobs.app)) == []


@pytest.mark.parametrize("field", ["namespace", "host"])
def test_the_card_of_a_runner_in_another_pid_namespace_counts_until_it_expires(
    sqlite_env: None, processes: Processes, field: str
) -> None:
    jobs = load_jobs()
    runner = processes.started_runner(PYNENC__RUNNER_CLS="ThreadRunner")
    [(key, card)] = wait_until(jobs.app._runtime.store.runners, "the runner has written its card")
    runner.send(signal.SIGKILL)
    runner.wait()
    assert live_runners(runtime_of(jobs.app)) == []
    # As a container with the same host name writes it, or another machine.
    jobs.app._runtime.store.publish_runner(key, json.dumps(json.loads(card) | {field: "another"}).encode(), 60)
    assert len(live_runners(runtime_of(jobs.app))) == 1
    jobs.app._runtime.store.publish_runner(key, card, 60)
    assert live_runners(runtime_of(jobs.app)) == []


def test_a_card_ends_with_its_time(world: World) -> None:
    store = world.app._runtime.store
    store.publish_runner("r1", b"short", 0.2)
    store.publish_runner("r2", b"long", 60)
    wait_until(lambda: store.runners() == [("r2", b"long")], "the card that was kept for a moment is gone")


def test_a_malformed_runner_card_is_skipped(memory_env: None) -> None:
    app = Pynenc()
    for number, card in enumerate(
        (b"", b"\xff", b"[]", b'{"app": 1}', b"[" * 5000, b'{"app": "%s"}' % app.app_id.encode())
    ):
        app._runtime.store.publish_runner(f"r{number}", card, 60)
    assert live_runners(runtime_of(app)) == []


def test_a_client_that_creates_a_store_logs_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    app = Pynenc("shop")
    app.orchestrator.count_invocations()
    [line] = [line for line in capsys.readouterr().err.splitlines() if "making a new store" in line]
    assert line.endswith(f"there is none at {tmp_path / '.pynenc' / 'shop.db'}")
    Pynenc._clear_instances()
    Pynenc("shop").orchestrator.count_invocations()
    assert "making a new store" not in capsys.readouterr().err
