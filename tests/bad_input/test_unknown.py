"""Unknown ids and tasks."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.processes import Processes
from support.waiting import wait_until
from support.worlds import RUNNERS, STORES, World, load_jobs, set_environment

from pynenc import _core
from pynenc._execute.outcome import unknown_task
from pynenc._tasks.unknown import MAX_LINES_PER_MINUTE, MAX_NAMES, UnknownTasks
from pynenc.exceptions import (
    InvocationAbandonedError,
    InvocationExpiredError,
    InvocationNotFoundError,
    TaskError,
)
from pynenc.invocation import DistributedInvocation

NO_SUCH_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture
def stranger_spec(tmp_path: Path) -> str:
    """An app with the id and the store of the test, beside which none of the tasks' modules lie."""
    path = tmp_path / "stranger.py"
    path.write_text("from pynenc import Pynenc\n\napp = Pynenc()\n")
    return str(path)


@pytest.mark.parametrize("invocation_id", [NO_SUCH_ID, "not-an-id", ""])
def test_an_unknown_id_is_named(world: World, invocation_id: str) -> None:
    handle = DistributedInvocation(world.app, invocation_id)
    for read in (
        lambda: handle.status,
        lambda: handle.get_result(timeout=30),
        lambda: world.app.state_backend.get_invocation(invocation_id),
        lambda: world.app.state_backend.get_history(invocation_id),
        lambda: world.app.orchestrator.get_invocation_status(invocation_id),
    ):
        with pytest.raises(InvocationNotFoundError) as raised:
            read()
        assert invocation_id in str(raised.value)


def test_an_id_that_is_purged_while_it_is_waited_for_ends_the_wait(world: World) -> None:
    invocation = world.jobs.basics.add(1, 1)
    world.app.purge()
    with pytest.raises(InvocationNotFoundError):
        invocation.get_result(timeout=30)


def test_an_expired_id_says_that_it_expired(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__RESULT_TTL_SEC", "0.2")
    monkeypatch.setenv("PYNENC__APP_ID", "with-a-short-memory")
    jobs = load_jobs()
    world.jobs = jobs
    world.start()
    invocation = jobs.basics.add(1, 1)
    assert invocation.result == 2
    handle = DistributedInvocation(jobs.app, invocation.invocation_id)

    def expired() -> bool:
        jobs.app._runtime.store.purge_expired()
        try:
            jobs.app._runtime.store.get(invocation.invocation_id)
        except InvocationNotFoundError:
            return True
        return False

    wait_until(expired, "the end of the result's life")
    with pytest.raises(InvocationExpiredError, match=invocation.invocation_id) as raised:
        handle.get_result(timeout=30)
    assert isinstance(raised.value, InvocationNotFoundError)


def test_a_task_that_a_runner_does_not_know_is_left_for_one_that_does(
    world: World, processes: Processes, monkeypatch: pytest.MonkeyPatch, stranger_spec: str
) -> None:
    monkeypatch.setenv("PYNENC__UNKNOWN_TASK_DELAY_SEC", "0.2")
    stranger = processes.runner(stranger_spec)
    invocation = world.jobs.basics.add(20, 22)
    wait_until(lambda: world.app._runtime.store.get(invocation.invocation_id).releases >= 2, "it is given back twice")
    assert "support.jobs.basics.add" in (world.app._runtime.store.get(invocation.invocation_id).note or "")
    assert "support.jobs.basics.add" in stranger.output()
    assert not invocation.status.is_final()
    known = world.app.orchestrator.count_invocations()
    assert known == 1
    processes.runner()
    assert invocation.get_result(timeout=60) == 42
    assert stranger.process.poll() is None
    stranger.send(signal.SIGTERM)
    assert stranger.wait() == 0


def test_the_delay_of_an_unknown_task_grows_with_each_refusal(
    world: World, processes: Processes, stranger_spec: str
) -> None:
    processes.runner(stranger_spec, PYNENC__UNKNOWN_TASK_DELAY_SEC="0.2")
    invocation = world.jobs.basics.add(20, 22)
    store = world.app._runtime.store
    wait_until(lambda: store.get(invocation.invocation_id).releases >= 4, "it is given back four times")
    record, [*_, last] = store.get(invocation.invocation_id), store.history(invocation.invocation_id)
    # 0.2 s at first, then 0.4, 0.8, 1.6.
    assert record.due - last.at > 1.0


# -- the end of unknown tasks ------------------------------------------------------------------------------------------


@pytest.fixture(params=STORES, ids=lambda kind: kind.name)
def short_lived(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """A store of each kind whose unknown tasks end soon, and a ThreadRunner that is not started yet."""
    set_environment(monkeypatch, tmp_path, request.param)
    monkeypatch.setenv("PYNENC__UNKNOWN_TASK_DELAY_SEC", "0.02")
    monkeypatch.setenv("PYNENC__UNKNOWN_TASK_TTL", "0.3")
    world = World(request.param, RUNNERS[0], load_jobs())
    yield world
    world.close()


def _plant(app: Any, task_id: str) -> str:
    [(invocation_id, _)] = app._runtime.store.submit(_core.TaskSpec(task_id), [(b"\x01{}", "", None, None)])
    return str(invocation_id)


def test_a_call_that_no_runner_knows_fails_for_good_some_time_after_it_was_first_refused(short_lived: World) -> None:
    app = short_lived.app
    planted = _plant(app, "nowhere.job")
    short_lived.start()
    wait_until(lambda: app._runtime.store.status(planted) == "failed", "it ends")
    history = app.state_backend.get_history(planted)
    refused = [entry for entry in history if str(entry.status) == "rerouted"]
    assert refused, "it was refused before it failed"
    assert "module nowhere is not imported" in refused[0].note
    assert "before you read it" not in refused[0].note, "that is for clients"
    # The caller knows the task and gets this error.
    app.tasks["nowhere.job"] = short_lived.jobs.basics.add
    with pytest.raises(InvocationAbandonedError, match=r"nowhere\.job.*unknown_task_ttl \(0\.3 s\)"):
        DistributedInvocation(app, planted).get_result(timeout=30)


def test_a_call_that_has_waited_long_in_the_queue_is_not_ended_by_the_first_runner_that_refuses_it(
    short_lived: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = short_lived.app
    planted = _plant(app, "nowhere.job")
    wait_until(lambda: _core.invocation_age_sec(planted) > 0.4, "it is older than unknown_task_ttl")
    [claim] = app._runtime.store.claim("somebody", 1)
    outcome = unknown_task(app, "somebody", claim, TaskError("nowhere.job", "not here"))
    assert outcome.kind == _core.RELEASE


def test_a_call_of_an_unknown_task_never_ends_where_its_time_is_0(
    short_lived: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_lived.app.conf.unknown_task_ttl = 0
    planted = _plant(short_lived.app, "nowhere.job")
    short_lived.start()
    wait_until(lambda: short_lived.app._runtime.store.get(planted).releases >= 6, "it is refused again and again")
    assert short_lived.app._runtime.store.status(planted) != "failed"


def test_refusals_of_one_name_are_logged_once_a_minute(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.app.conf.unknown_task_delay_sec = 0.0
    planted = [_plant(world.app, "nowhere.job") for _ in range(20)]
    world.start()
    for one in planted:
        wait_until(lambda one=one: world.app._runtime.store.get(one).releases >= 3, "it is refused")  # type: ignore[misc]
    world.stop()
    lines = [line for line in capsys.readouterr().err.splitlines() if "goes back to the queue" in line]
    assert len(lines) == 1, lines
    assert "nowhere.job" in lines[0]
    assert "PYNENC__TASK_MODULES" in lines[0]
    assert "--import nowhere" in lines[0]


def test_the_log_of_unknown_names_is_bounded_in_names_and_in_lines() -> None:
    unknown = UnknownTasks()
    logged = [unknown.refused(f"module_{number}.job") for number in range(10 * MAX_NAMES)]
    assert sum(line is not None for line in logged) <= 2 * MAX_LINES_PER_MINUTE
    assert len(unknown._seen) <= MAX_NAMES


def test_the_line_of_the_next_minute_says_how_often_a_name_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("pynenc.util.clock.monotonic", lambda: now[0])
    unknown = UnknownTasks()
    assert unknown.refused("a.b") == ""
    assert [unknown.refused("a.b") for _ in range(7)] == [None] * 7
    now[0] += 61
    assert "7 more times" in (unknown.refused("a.b") or "")


def test_refusals_on_many_threads_at_once_are_counted_once_each() -> None:
    unknown = UnknownTasks()
    lines: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: lines.extend(unknown.refused("a.b") for _ in range(500))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [line for line in lines if line is not None] == [""]
