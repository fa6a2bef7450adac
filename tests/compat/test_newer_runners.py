"""Runners written for pynenc 0.4: methods that are abstract there have defaults here, and their hook for waits is
called.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support.jobs import shapes
from support.seed_runners import SevenMemberRunner
from support.waiting import wait_until
from support.worlds import RUNNERS, STORES, World, load_jobs, make_world

from pynenc import Pynenc, context
from pynenc.exceptions import RunnerNotExecutableError
from pynenc.identifiers import InvocationId
from pynenc.runner import BaseRunner, DummyRunner, ExternalRunner, RunnerContext, ThreadRunner

_SIX = {name: value for name, value in vars(SevenMemberRunner).items() if name != "waiting_for_results"}
_PAUSE_SEC = 0.01


def _with_hook(hook: Any, base: type[BaseRunner] = BaseRunner) -> Any:
    """A runner class as 0.4 has them: everything but `waiting_for_results`, and this hook."""
    members = dict(_SIX) if base is BaseRunner else {}
    members.pop("__init__", None)
    made: Any = type("NewerRunner", (base,), {**members, "_waiting_for_results": hook})
    made._slots_wanted = 2
    return made


@contextlib.contextmanager
def _running(runner: Any) -> Iterator[None]:
    thread = threading.Thread(target=runner.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        runner.stop_runner_loop()
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def jobs(sqlite_env: None) -> Any:
    return load_jobs()


def _waits_of(jobs: Any, hook: Any) -> None:
    """Run a chain that is deeper than there are slots, with a runner that has this hook."""
    with _running(_with_hook(hook)(jobs.app)):
        assert jobs.waits.chain(4).get_result(timeout=60) == 4


def test_a_runner_with_only_the_newer_hook_gets_ids_positionally_for_bodies_that_wait(jobs: Any) -> None:
    calls: list[tuple[Any, ...]] = []

    def hook(self: Any, running_invocation_id: Any, result_invocation_ids: Any, runner_args: Any = None) -> None:
        calls.append((context.invocation_of(self.app), running_invocation_id, result_invocation_ids, runner_args))
        with self._changed:
            self._waiting += 1
            self._changed.wait(_PAUSE_SEC)
            self._waiting -= 1

    _waits_of(jobs, hook)
    assert calls
    for current, running, targets, runner_args in calls:
        assert running == current.invocation_id
        assert isinstance(running, InvocationId)
        assert [type(target) for target in targets] == [InvocationId]
        assert runner_args == {"runner": "seven members"}


def _rest(self: Any) -> None:
    with self._changed:
        self._waiting += 1
        self._changed.wait(_PAUSE_SEC)
        self._waiting -= 1


def _ids_only(self: Any, ids: Any) -> None:
    assert isinstance(ids, list)
    _rest(self)


def _two(self: Any, caller: Any, ids: Any) -> None:
    assert isinstance(caller, str)
    assert isinstance(ids, list)
    _rest(self)


def _any_number(self: Any, *given: Any) -> None:
    assert len(given) == 3
    _rest(self)


@pytest.mark.parametrize("hook", [_ids_only, _two, _any_number])
def test_the_newer_hook_gets_as_many_arguments_as_it_takes(jobs: Any, hook: Any) -> None:
    _waits_of(jobs, hook)


def test_the_newer_hook_may_call_the_default_which_waits(jobs: Any) -> None:
    def hook(self: Any, *given: Any) -> None:
        with self._changed:
            self._waiting += 1
        BaseRunner._waiting_for_results(self, *given)
        with self._changed:
            self._waiting -= 1

    _waits_of(jobs, hook)


def test_a_built_in_runner_with_the_newer_hook_calls_it_and_still_lends_the_slot_out(jobs: Any) -> None:
    calls: list[Any] = []
    cls = _with_hook(lambda self, caller, ids: calls.append(ids), ThreadRunner)
    runner = cls(jobs.app)
    runner.conf.max_threads = 1
    with _running(runner):
        assert jobs.waits.chain(4).get_result(timeout=60) == 4
    assert len(calls) >= 4


def test_outside_of_a_body_the_newer_hook_is_not_called(memory_env: None) -> None:
    calls: list[Any] = []
    runner = _with_hook(lambda self, caller, ids: calls.append(ids))(Pynenc())
    runner.conf.invocation_wait_results_sleep_time_sec = 0.01
    assert runner.waiting_for_results(None, []) is None
    assert calls == []


def test_a_waiting_for_results_of_the_users_own_is_left_alone() -> None:
    both: Any = type("Both", (SevenMemberRunner,), {"_waiting_for_results": lambda self, ids: None})
    assert both.waiting_for_results is SevenMemberRunner.waiting_for_results
    assert ThreadRunner.waiting_for_results.__module__ == "pynenc.runner._session.kinds"
    assert DummyRunner.waiting_for_results.__module__ == "pynenc.runner.base_runner"


def test_a_subclass_of_a_newer_runner_may_take_other_arguments(memory_env: None) -> None:
    calls: list[tuple[Any, ...]] = []
    parent = _with_hook(lambda self, caller, ids: calls.append((caller, ids)))
    child: Any = type("Child", (parent,), {"_waiting_for_results": lambda self, *given: calls.append(given)})
    child(Pynenc()).waiting_for_results("caller", ["target"], {"a": 1})
    parent(Pynenc()).waiting_for_results("caller", ["target"], {"a": 1})
    assert calls == [("caller", ["target"], {"a": 1}), ("caller", ["target"])]


def test_the_newer_hook_may_come_from_a_mixin(memory_env: None) -> None:
    calls: list[Any] = []
    mixin = type("Mixin", (), {"_waiting_for_results": lambda self, ids: calls.append(ids)})
    members = {name: value for name, value in _SIX.items() if name != "__init__"}
    mixed: Any = type("Mixed", (mixin, BaseRunner), {**members, "_slots_wanted": 1})
    mixed(Pynenc()).waiting_for_results("caller", ["target"])
    assert calls == [["target"]]


def test_a_newer_hook_that_is_a_coroutine_function_is_refused_when_the_class_is_made() -> None:
    async def hook(self: Any, ids: Any) -> None: ...

    with pytest.raises(TypeError, match=r"NewerRunner\._waiting_for_results must not be a coroutine function"):
        _with_hook(hook)


def test_the_generated_method_has_the_signature_of_the_seed() -> None:
    cls = _with_hook(lambda self, ids: None)
    names = list(inspect.signature(cls.waiting_for_results).parameters)
    assert names == ["self", "running_invocation", "result_invocation", "runner_args"]


_CONTEXT = RunnerContext("NewerRunner")


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (({"a": 1},), {}),
        ((), {"runner_args": {"a": 1}}),
        ((_CONTEXT, {"a": 1}), {}),
        ((_CONTEXT,), {"runner_args": {"a": 1}}),
        ((), {"runner_ctx": _CONTEXT, "runner_args": {"a": 1}}),
        (({"a": 1},), {"runner_ctx": _CONTEXT}),
    ],
)
def test_an_invocation_is_run_with_or_without_a_runner_context(
    memory_env: None, args: tuple[Any, ...], named: dict[str, Any]
) -> None:
    app = Pynenc()
    invocation = app.task(shapes.given)()
    [claimed] = app.orchestrator.get_invocations_to_run(1, _CONTEXT)
    claimed.run(*args, **named)
    assert invocation.result == {"a": 1}


@pytest.mark.parametrize(("args", "named"), [((_CONTEXT,), {}), ((_CONTEXT, None), {}), ((), {})])
def test_an_invocation_is_run_without_arguments_of_its_runner(
    memory_env: None, args: tuple[Any, ...], named: dict[str, Any]
) -> None:
    app = Pynenc()
    invocation = app.task(shapes.given)()
    [claimed] = app.orchestrator.get_invocations_to_run(1)
    claimed.run(*args, **named)
    assert invocation.result is None


@pytest.mark.parametrize(
    ("args", "named"),
    [(({}, {}, {}), {}), ((_CONTEXT, {}), {"runner_args": {}}), ((_CONTEXT, {}), {"runner_ctx": _CONTEXT})],
)
def test_an_invocation_that_is_run_with_too_much_is_not_run(
    memory_env: None, args: tuple[Any, ...], named: dict[str, Any]
) -> None:
    app = Pynenc()
    invocation = app.task(shapes.given)()
    [claimed] = app.orchestrator.get_invocations_to_run(1)
    with pytest.raises(TypeError, match="runner_args, or runner_ctx and runner_args, each once"):
        claimed.run(*args, **named)
    assert invocation.status == "pending"


# -- child runners -----------------------------------------------------------------------------------------------------


def test_a_runner_without_children_says_so(memory_env: None) -> None:
    app = Pynenc()
    for runner in (SevenMemberRunner(app), ThreadRunner(app), DummyRunner(app)):
        assert runner.get_active_child_runner_ids() == []


@pytest.mark.parametrize("kind", [kind for kind in RUNNERS if not kind.in_process], ids=lambda kind: kind.name)
def test_a_pool_names_the_workers_that_own_invocations(
    kind: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    world: World = make_world(next(store for store in STORES if store.name == "sqlite"), kind, monkeypatch, tmp_path)
    try:
        runner = world.start(2)
        wait_until(runner.get_active_child_runner_ids, "a worker that is ready")
        invocation = world.jobs.basics.add(1, 2)
        assert invocation.get_result(timeout=60) == 3
        owners = {entry.runner for entry in world.app.state_backend.get_history(invocation) if entry.runner}
        assert owners
        host = socket.gethostname()
        for owner in owners | set(runner.get_active_child_runner_ids()):
            assert owner.startswith(f"{type(runner).__name__}({host}-")
            assert f"-{os.getpid()})" not in owner
        if kind.name != "process":
            # There each worker is gone with its invocation.
            assert owners <= set(runner.get_active_child_runner_ids())
    finally:
        world.close()
    assert runner.get_active_child_runner_ids() == []


# -- clients -----------------------------------------------------------------------------------------------------------


def test_an_external_runner_is_called_after_host_and_process(memory_env: None) -> None:
    app = Pynenc()
    runner = ExternalRunner(app)
    assert app.runner is runner
    wanted = f"ExternalRunner@{socket.gethostname()}-{os.getpid()}"
    assert runner.runner_id == runner.runner_id() == wanted
    assert context.get_or_create_runner_context(app.app_id).runner_id == wanted
    with pytest.raises(RunnerNotExecutableError):
        runner.run()


def test_a_forked_child_has_an_external_id_of_its_own(memory_env: None) -> None:
    runner = ExternalRunner(Pynenc())
    before = str(runner.runner_id)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, str(runner.runner_id).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    told = os.read(reader, 1000).decode()
    assert told == before.replace(f"-{os.getpid()}", f"-{pid}")
