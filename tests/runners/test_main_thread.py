"""A ProcessRunner alone runs bodies in the main thread of their process, where handlers of signals work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import flags
from support.worlds import RUNNERS, STORES, World, load_jobs, set_environment

BEGUN = ["registered", "pending", "running"]
_STORES = {store.name: store for store in STORES}


def _world(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, slots: int) -> World:
    set_environment(monkeypatch, tmp_path, _STORES["sqlite"])
    world = World(_STORES["sqlite"], next(one for one in RUNNERS if one.name == kind), load_jobs())
    world.start(slots)
    return world


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """A ProcessRunner with two slots."""
    world = _world("process", monkeypatch, tmp_path, 2)
    yield world
    world.close()


@pytest.mark.parametrize("kind", [kind.name for kind in RUNNERS])
def test_only_a_process_runner_runs_plain_bodies_in_the_main_thread(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = _world(kind, monkeypatch, tmp_path, 1)
    alarms = world.jobs.alarms
    assert alarms.is_in_the_main_thread().get_result(timeout=60) is (kind == "process")
    rung = alarms.sleep_until_alarm().get_result(timeout=60)
    if kind == "process":
        assert rung == "rung"
    else:
        assert "main thread" in rung
    world.close()


def test_an_alarm_ends_the_wait_of_a_body_and_its_slot_comes_back(world: World) -> None:
    assert world.jobs.alarms.wait_until_alarm("gate").get_result(timeout=60) == "rung"
    flags.raise_flag("gate", "open")
    assert world.jobs.basics.add(1, 2).get_result(timeout=60) == 3


def test_a_timer_that_a_body_leaves_armed_disturbs_nothing(world: World) -> None:
    assert world.jobs.alarms.leave_an_alarm().get_result(timeout=60) == "returned"
    # Its process ends in order first, which takes until after the alarm.
    world.stop()
    assert not flags.is_raised("late-alarm")


def test_a_stop_hands_a_body_in_the_main_thread_back_within_the_grace(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYNENC__STOP_GRACE_SEC", "0.2")
    world = _world("process", monkeypatch, tmp_path, 1)
    held = world.jobs.basics.until("gate")
    flags.await_flag("gate-started")
    world.stop()
    history = world.app.state_backend.get_history(held.invocation_id)
    assert [str(entry.status) for entry in history] == [*BEGUN, "killed", "rerouted"]
    assert world.app._runtime.store.get(held.invocation_id).recoveries == 0, "its worker handed it back by itself"
    flags.raise_flag("gate", "open")
    world.start(1)
    assert held.get_result(timeout=60) == "open"
    world.close()
