"""No content of a store leads to an import: no task id, payload, result or record."""

from __future__ import annotations

import importlib
import json
import random
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import flags
from support.processes import Processes
from support.waiting import wait_until
from support.worlds import STORES, StoreKind, set_environment

from pynenc import _core
from pynenc.call import Call
from pynenc.exceptions import PynencError
from pynenc.invocation import DistributedInvocation
from pynenc.task import Task

PROCESS_RUNNERS = ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]

APP = """\
from typing import Any
from pynenc import Pynenc
from pynenc.task import Task

app = Pynenc()

@app.task
def takes(task: Task) -> str:
    return str(task.task_id)

@app.task
def gives() -> Task:
    return gives

@app.task
def canary() -> str:
    return "alive"
"""

TRAP = "from support import flags\nflags.raise_flag('sprung', __name__)\n"


@pytest.fixture(params=STORES, ids=lambda kind: kind.name)
def shop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A module with an app; beside it, and in a package, modules that tell when they are imported."""
    kind: StoreKind = request.param
    set_environment(monkeypatch, tmp_path, kind)
    monkeypatch.setenv("PYNENC__UNKNOWN_TASK_DELAY_SEC", "0.02")
    (tmp_path / "trustshop.py").write_text(APP)
    (tmp_path / "trap.py").write_text(TRAP)
    package = tmp_path / "trapped"
    package.mkdir()
    for name in ("__init__", "__main__", "inner"):
        (package / f"{name}.py").write_text(TRAP)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("trustshop")
    del sys.modules["trustshop"]


def _not_imported(seed: int) -> list[str]:
    """Task ids that name modules which nothing has imported: traps, programs, the standard library, nonsense."""
    randomness = random.Random(seed)
    names = sorted(sys.stdlib_module_names - set(sys.modules))
    ids = ["trap.job", "trapped.job", "trapped.inner.job", "trapped.__main__.job", "pygments.__main__.main"]
    ids += [f"{name}.{randomness.choice(['main', 'test', 'x'])}" for name in randomness.sample(names, 15)]
    ids += ["__main__.job", "a..b", ".x", "no dots", "é.x", "trustshop.missing", "x" * 5000 + ".y"]
    return ids


def _plant(app: Any, task_id: str, payload: bytes = b"\x01{}") -> str:
    """Create a record of a call that was never submitted."""
    [(invocation_id, _)] = app._runtime.store.submit(_core.TaskSpec(task_id), [(payload, "", None, None)])
    return str(invocation_id)


def _plant_outcome(app: Any, task_id: str, outcome: int, payload: bytes) -> str:
    """Create a record of a finished invocation that never ran."""
    invocation_id = _plant(app, task_id)
    [claim] = app._runtime.store.claim("forger", 1)
    assert claim.invocation_id == invocation_id
    app._runtime.store.begin(invocation_id, claim.fence)
    app._runtime.store.settle(invocation_id, claim.fence, outcome, payload)
    return invocation_id


def _task_payload(task_id: str) -> bytes:
    return b"\x01" + json.dumps({"__pynenc_task__": task_id}).encode()


def _exception_payload(module: str) -> bytes:
    return b"\x04" + json.dumps({"module": module, "qualname": "Oops", "message": "planted"}).encode()


def _try(read: Callable[[], Any]) -> None:
    """Read everything; only errors of pynenc may be raised."""
    try:
        read()
    except (PynencError, ValueError):
        pass
    except (RuntimeError, TypeError):
        # The class of a planted exception if it is a builtin.
        pass


def _read_everything(app: Any, invocation_id: str) -> None:
    """As a client that knows an id and nothing else."""
    invocation: Any = DistributedInvocation(app, invocation_id)
    backend = app.state_backend
    for read in (
        lambda: invocation.get_result(timeout=0),
        lambda: invocation.get_final_result(),
        lambda: invocation.task,
        lambda: invocation.call.arguments,
        lambda: invocation.to_dto(),
        lambda: backend.get_invocation(invocation_id).task,
        lambda: backend.get_history(invocation_id),
        lambda: backend.get_result(invocation_id),
        lambda: backend.get_exception(invocation_id),
        lambda: list(app.orchestrator.get_existing_invocations(app.get_task(backend.get_invocation(invocation_id)))),
    ):
        _try(read)


def test_a_client_that_reads_planted_records_imports_nothing(shop: Any, seed: int) -> None:
    app = shop.app
    # Modules that reading itself needs are imported before.
    _read_everything(app, _plant_outcome(app, "trustshop.gives", _core.SUCCESS, _task_payload("trustshop.gives")))
    _read_everything(app, _plant_outcome(app, "trustshop.gives", _core.FAILURE, _exception_payload("builtins")))
    ids = _not_imported(seed)
    before = set(sys.modules)
    for task_id in ids:
        module = task_id.rpartition(".")[0]
        for invocation_id in (
            _plant_outcome(app, task_id, _core.SUCCESS, b"\x011"),
            _plant_outcome(app, task_id, _core.FAILURE, _exception_payload(module)),
            _plant_outcome(app, "trustshop.gives", _core.SUCCESS, _task_payload(task_id)),
            _plant_outcome(app, "trustshop.gives", _core.FAILURE, _exception_payload(module)),
        ):
            _read_everything(app, invocation_id)
        for text in (json.dumps({"task_id": task_id}), json.dumps({"task_id": task_id, "payload": ""})):
            _try(lambda text=text: Task.from_json(app, text))  # type: ignore[misc]
            _try(lambda text=text: Call.from_json(app, text))  # type: ignore[misc]
        _try(lambda task_id=task_id: app.get_task(task_id))  # type: ignore[misc]
    assert set(sys.modules) - before == set()
    assert not flags.is_raised("sprung")


def test_a_planted_result_that_names_no_registered_task_is_refused_with_the_remedy(shop: Any) -> None:
    planted = _plant_outcome(shop.app, "trustshop.gives", _core.SUCCESS, _task_payload("trap.job"))
    with pytest.raises(
        PynencError,
        match=r"module trap is not imported: import trap here before you read it.*task_modules.*--import trap",
    ):
        DistributedInvocation(shop.app, planted).get_result(timeout=30)


def test_a_runner_in_this_process_that_is_offered_planted_names_imports_nothing(shop: Any, seed: int) -> None:
    from pynenc.runner import ThreadRunner

    app, store = shop.app, shop.app._runtime.store
    ids = _not_imported(seed)
    import threading

    runner = ThreadRunner(app)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        # Modules that running itself needs are imported before: a call that succeeds, one that is refused, one that
        # fails.
        assert shop.canary().get_result(timeout=60) == "alive"
        warm = _plant(app, "nowhere.job")
        wait_until(lambda: store.get(warm).releases >= 1, "the unknown task is refused")
        broken = _plant(app, "trustshop.takes", b'\x01{"task":' + _task_payload("nowhere.job")[1:] + b"}")
        wait_until(lambda: store.status(broken) == "failed", "the unknown task in a payload fails the call")
        before = set(sys.modules)
        planted = [_plant(app, task_id) for task_id in ids]
        failing = [
            _plant(app, "trustshop.takes", b'\x01{"task":' + _task_payload(task_id)[1:] + b"}") for task_id in ids
        ]
        for invocation_id in planted:
            wait_until(lambda one=invocation_id: store.get(one).releases >= 1, "it is refused")  # type: ignore[misc]
        for invocation_id in failing:
            wait_until(lambda one=invocation_id: store.status(one) == "failed", "it fails")  # type: ignore[misc]
        assert set(sys.modules) - before == set()
    finally:
        runner.stop_runner_loop()
        thread.join(60)
    assert not flags.is_raised("sprung")


@pytest.mark.parametrize("runner_cls", PROCESS_RUNNERS)
@pytest.mark.parametrize("shop", [kind for kind in STORES if kind.shared], ids=lambda kind: kind.name, indirect=True)
def test_runners_of_every_kind_that_are_offered_planted_names_import_nothing(
    shop: Any, processes: Processes, runner_cls: str, tmp_path: Path
) -> None:
    app, store = shop.app, shop.app._runtime.store
    names = ["trap.job", "trapped.job", "trapped.inner.job", "trapped.__main__.job"]
    planted = [_plant(app, name) for name in names]
    failing = [_plant(app, "trustshop.takes", b'\x01{"task":' + _task_payload(name)[1:] + b"}") for name in names]
    runner = processes.runner(str(tmp_path / "trustshop.py"), PYNENC__RUNNER_CLS=runner_cls)
    for invocation_id in planted:
        wait_until(lambda one=invocation_id: store.get(one).releases >= 1, "it is refused")  # type: ignore[misc]
    for invocation_id in failing:
        wait_until(lambda one=invocation_id: store.status(one) == "failed", "it fails")  # type: ignore[misc]
    assert shop.canary().get_result(timeout=60) == "alive"
    assert not flags.is_raised("sprung"), flags.flag_text("sprung")
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0
    assert "module trap is not imported" in runner.output()
    assert "--import trap" in runner.output()
