"""Ids and tasks that nobody knows."""

from __future__ import annotations

import importlib
import signal
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from support.processes import Processes
from support.waiting import wait_until
from support.worlds import World, load_jobs

from pynenc import _core
from pynenc.exceptions import InvocationExpiredError, InvocationNotFoundError
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
        jobs.app._store.purge_expired()
        try:
            jobs.app._store.get(invocation.invocation_id)
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
    wait_until(lambda: world.app._store.get(invocation.invocation_id).releases >= 2, "it is given back twice")
    assert "support.jobs.basics.add" in (world.app._store.get(invocation.invocation_id).note or "")
    assert "support.jobs.basics.add" in stranger.output()
    assert not invocation.status.is_final()
    known = world.app.orchestrator.count_invocations()
    assert known == 1
    processes.runner()
    assert invocation.get_result(timeout=60) == 42
    assert stranger.process.poll() is None
    stranger.send(signal.SIGTERM)
    assert stranger.wait() == 0


def test_a_module_beside_the_app_that_exits_when_it_is_imported_ends_no_runner(
    world: World, processes: Processes, tmp_path: Path
) -> None:
    """Its task is unknown to a runner that has not imported it, and looks as if it could be found."""
    (tmp_path / "beside.py").write_text("from pynenc import Pynenc\n\napp = Pynenc()\n")
    (tmp_path / "leaves.py").write_text("raise SystemExit(3)\n")
    runner = processes.runner(str(tmp_path / "beside.py"), PYNENC__UNKNOWN_TASK_DELAY_SEC="0.05")
    store = world.app._store
    [(invocation_id, _)] = store.submit(_core.TaskSpec("leaves.job"), [(b"", "", None, None)])
    wait_until(lambda: store.get(invocation_id).releases >= 3, "it is given back three times")
    assert runner.process.poll() is None
    assert "leaves" in (store.get(invocation_id).note or "")


@pytest.mark.parametrize(
    "runner_cls", ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
)
def test_a_module_that_hangs_when_it_is_imported_holds_no_slot(
    processes: Processes, sqlite_env: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runner_cls: str
) -> None:
    app = "from pynenc import Pynenc\n\napp = Pynenc()\n\n@app.task\ndef canary() -> str:\n    return 'alive'\n"
    (tmp_path / "aviary.py").write_text(app)
    (tmp_path / "hangs.py").write_text("import threading\n\nthreading.Event().wait()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "aviary", raising=False)
    canary = importlib.import_module("aviary").canary
    store = canary.app._store
    poison = [store.submit(_core.TaskSpec("hangs.job"), [(b"", "", None, None)])[0][0] for _ in range(2)]
    sizes = ("MAX_THREADS", "NUM_PROCESSES", "MAX_PROCESSES", "PROCESSES", "CONCURRENCY")
    runner = processes.runner(
        str(tmp_path / "aviary.py"),
        PYNENC__RUNNER_CLS=runner_cls,
        PYNENC__TASK_IMPORT_LIMIT_SEC="0.3",
        PYNENC__UNKNOWN_TASK_DELAY_SEC="0.2",
        **{f"PYNENC__{size}": "1" for size in sizes},
    )
    for invocation_id in poison:
        wait_until(lambda one=invocation_id: store.get(one).releases >= 2, "it is given back twice")  # type: ignore[misc]
    assert canary().get_result(timeout=60) == "alive"
    for invocation_id in poison:
        returns = [
            entry for entry in canary.app.state_backend.get_history(invocation_id) if str(entry.status) == "rerouted"
        ]
        assert "importing module hangs goes on at " in (returns[0].note or "")
        assert "given up after 0.3 s" in (returns[0].note or "")
        # Exact to the millisecond, as the times are; seconds in floating point are not.
        assert returns[1].timestamp - returns[0].timestamp >= timedelta(seconds=0.2), "it waits in between"
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0


def test_each_return_of_an_unknown_task_waits_longer(world: World, processes: Processes, stranger_spec: str) -> None:
    processes.runner(stranger_spec, PYNENC__UNKNOWN_TASK_DELAY_SEC="0.2")
    invocation = world.jobs.basics.add(20, 22)
    wait_until(lambda: world.app._store.get(invocation.invocation_id).releases >= 4, "it is given back four times")
    given_back = [
        entry.timestamp
        for entry in world.app.state_backend.get_history(invocation.invocation_id)
        if str(entry.status) == "rerouted"
    ]
    pauses = [after - before for before, after in pairwise(given_back)]
    assert pauses[2] > pauses[0]
