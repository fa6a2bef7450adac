"""`timeout` and `soft_timeout`, on every runner."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.waiting import wait_until
from support.worlds import RUNNERS, STORES, RunnerKind, World, load_jobs, set_environment

from pynenc.exceptions import TaskTimeoutError

_STORES = {store.name: store for store in STORES}
# The effect of a limit depends on the runner; the store only settles. The runner of processes settles in its own way,
# so the tests use two stores.
_WORLDS = [("memory" if kind.in_process else "sqlite", kind) for kind in RUNNERS]
_WORLDS += [("redis", kind) for kind in RUNNERS if kind.name == "process"]


@pytest.fixture(params=[pytest.param(one, id=f"{one[0]}-{one[1].name}") for one in _WORLDS])
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    store, kind = request.param
    set_environment(monkeypatch, tmp_path, _STORES[store])
    world = World(_STORES[store], kind, load_jobs())
    yield world
    world.close()


def _raised(invocation: Any) -> TaskTimeoutError:
    with pytest.raises(TaskTimeoutError) as raised:
        invocation.get_result(timeout=60)
    return raised.value


def _history(world: World, invocation: Any) -> list[str]:
    return [str(entry.status) for entry in world.app.state_backend.get_history(invocation.invocation_id)]


def test_bodies_are_interrupted_at_their_limits(world: World) -> None:
    world.start(slots=4)
    limits = world.jobs.limits
    hard = [limits.spin(), limits.sleep_for_ever()]
    soft = [limits.spin_until_soft(), limits.sleep_until_soft()]
    polite, retried = limits.clean_up(), limits.spin_at_first()
    for invocation in hard:
        error = _raised(invocation)
        assert str(error) == (
            f"{invocation.task.task_id}: invocation {invocation.invocation_id} ran longer than its timeout of 0.3 s"
        )
        assert isinstance(error, TimeoutError)
        assert error.task_id == invocation.task.task_id
        assert _history(world, invocation) == ["registered", "pending", "running", "failed"]
    for invocation in soft:
        assert str(_raised(invocation)).endswith("ran longer than its soft_timeout of 0.2 s")
    assert polite.get_result(timeout=60) == "cleaned up"
    assert retried.get_result(timeout=60) == 2, "TaskTimeoutError is in its retry_for"
    in_time = list(limits.quick.parallelize([(n,) for n in range(20)]).results)
    in_time += list(limits.quick_coroutine.parallelize([(n,) for n in range(20, 40)]).results)
    assert sorted(in_time) == list(range(40))


def test_the_time_that_a_body_waits_counts(world: World) -> None:
    world.start(slots=1)
    limits = world.jobs.limits
    wait_for = limits.wait_for_in_a_coroutine if world.runner_kind.name == "async" else limits.wait_for
    invocation = wait_for("gate")
    assert str(_raised(invocation)).endswith("ran longer than its timeout of 0.3 s")
    flags.raise_flag("gate", "open")
    assert world.jobs.basics.add(1, 1).get_result(timeout=60) == 2


def test_a_body_that_does_not_stop_is_given_up_and_its_slot_comes_back(world: World) -> None:
    world.start(slots=1)
    _is_given_up(world, world.jobs.limits.do_not_stop())


def test_a_coroutine_that_does_not_stop_is_given_up_and_the_loop_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_environment(monkeypatch, tmp_path, _STORES["sqlite"])
    world = World(_STORES["sqlite"], next(kind for kind in RUNNERS if kind.name == "async"), load_jobs())
    world.start(slots=1)
    _is_given_up(world, world.jobs.limits.do_not_stop_coroutine())
    world.close()


def _is_given_up(world: World, invocation: Any) -> None:
    killed = world.runner_kind.name in ("persistent_process", "multi_thread", "process")
    text = str(_raised(invocation))
    assert text.endswith(
        "did not stop within 1 s after it: " + ("its process was killed" if killed else "it is abandoned")
    )
    if world.runner_kind.name != "user":
        # It counts its slots itself.
        assert world.jobs.basics.add(1, 1).get_result(timeout=60) == 2
    flags.raise_flag("stubborn")
    if not killed and world.runner_kind.name != "async":
        # A worker of the AsyncRunner is replaced, and ends with its abandoned bodies.
        flags.await_flag("stubborn-ended")
    assert world.jobs.basics.add(1, 1).get_result(timeout=60) == 2
    assert str(_raised(world.app.state_backend.get_invocation(invocation.invocation_id))) == text
    assert _history(world, invocation) == ["registered", "pending", "running", "failed"]
    assert not killed or not flags.is_raised("stubborn-ended")


@pytest.mark.parametrize("name", ["persistent_process", "process"])
def test_a_body_that_holds_the_interpreter_is_killed_with_its_process_and_not_run_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    set_environment(monkeypatch, tmp_path, _STORES["sqlite"])
    world = World(_STORES["sqlite"], next(kind for kind in RUNNERS if kind.name == name), load_jobs())
    world.start(slots=1)
    invocation = world.jobs.limits.hold_the_gil()
    assert str(_raised(invocation)).endswith("its process was killed")
    assert world.jobs.basics.add(1, 1).get_result(timeout=60) == 2
    assert _history(world, invocation) == ["registered", "pending", "running", "failed"]
    wait_until(lambda: world.app.orchestrator.count_invocations(statuses=["running"]) == 0)
    world.close()


@pytest.mark.parametrize("kind", [kind for kind in RUNNERS if not kind.in_process], ids=lambda kind: kind.name)
def test_a_body_whose_process_is_stopped_is_killed_with_it_at_its_timeout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: RunnerKind
) -> None:
    """By SIGSTOP, so that nothing in it can keep the time. Its lease would keep it for longer than any test lasts."""
    set_environment(monkeypatch, tmp_path, _STORES["sqlite"])
    monkeypatch.setenv("PYNENC__LEASE_SEC", "600")
    world = World(_STORES["sqlite"], kind, load_jobs())
    world.start(slots=1)
    invocation = world.jobs.limits.until_frozen()
    pid = int(flags.await_flag("to-be-frozen"))
    os.kill(pid, signal.SIGSTOP)
    assert str(_raised(invocation)).endswith("its process was killed")
    assert world.jobs.basics.add(1, 1).get_result(timeout=60) == 2
    assert _history(world, invocation) == ["registered", "pending", "running", "failed"]
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the process is gone, and reaped")
    world.close()


def test_a_thread_that_holds_the_gil_takes_the_other_bodies_of_its_worker_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing in that process can end the body; its neighbours run again, and the death does not count towards their
    limit.
    """
    set_environment(monkeypatch, tmp_path, _STORES["sqlite"])
    world = World(_STORES["sqlite"], next(kind for kind in RUNNERS if kind.name == "multi_thread"), load_jobs())
    runner = world.runner_kind.make(world.app, 1)
    runner.conf.max_threads = 2
    world.runner = runner
    world.restart()
    sibling = world.jobs.basics.until("sibling")
    flags.await_flag("sibling-started")
    assert str(_raised(world.jobs.limits.hold_the_gil())).endswith("its process was killed")
    flags.raise_flag("sibling", "again")
    assert sibling.get_result(timeout=60) == "again"
    assert "running_recovery" in _history(world, sibling)
    world.close()
