"""Arguments that take forever to decode: the invocation ends, and the fleet continues."""

from __future__ import annotations

import importlib
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.processes import Processes
from support.waiting import wait_until
from support.worlds import STORES, set_environment

from pynenc.exceptions import InvocationAbandonedError, SerializationError, TaskTimeoutError
from pynenc.invocation import DistributedInvocation

PROCESS_RUNNERS = ["PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]

APP = """\
import re
import time
from pynenc import Pynenc

app = Pynenc()

class Heavy:
    '''Holds the GIL in C for ever while it is decoded, deaf to signals and exceptions.'''

    def to_json(self) -> str:
        return "x"

    @classmethod
    def from_json(cls, data: str) -> "Heavy":
        re.fullmatch("(a+)+b", "a" * 100)
        raise AssertionError

class Slow:
    '''Runs as Python for ever while it is decoded.'''

    def to_json(self) -> str:
        return "x"

    @classmethod
    def from_json(cls, data: str) -> "Slow":
        while True:
            time.sleep(0.001)

@app.task
def heavy(value: Heavy) -> None: ...

@app.task
async def heavy_coroutine(value: Heavy) -> None: ...

@app.task
def slow(value: Slow) -> None: ...

@app.task
async def slow_coroutine(value: Slow) -> None: ...

@app.task(timeout=0.3)
def slow_with_timeout(value: Slow) -> None: ...

@app.task
def canary() -> str:
    return "alive"
"""


@pytest.fixture(params=[kind for kind in STORES if kind.shared], ids=lambda kind: kind.name)
def shop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A module with an app whose arguments are hard to decode."""
    set_environment(monkeypatch, tmp_path, request.param)
    monkeypatch.setenv("PYNENC__DECODE_LIMIT_SEC", "0.5")
    monkeypatch.setenv("PYNENC__MAX_RECOVERIES", "1")
    (tmp_path / "heavyshop.py").write_text(APP)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("heavyshop")
    del sys.modules["heavyshop"]


@pytest.mark.parametrize("runner_cls", PROCESS_RUNNERS)
def test_a_worker_that_holds_the_gil_while_it_decodes_is_killed_and_the_fleet_goes_on(
    shop: Any, processes: Processes, runner_cls: str, tmp_path: Path
) -> None:
    task = shop.heavy_coroutine if runner_cls == "AsyncRunner" else shop.heavy
    poison = [task(shop.Heavy()) for _ in range(2)]
    sizes = ("MAX_THREADS", "NUM_PROCESSES", "MAX_PROCESSES", "PROCESSES", "CONCURRENCY")
    runner = processes.runner(
        str(tmp_path / "heavyshop.py"), PYNENC__RUNNER_CLS=runner_cls, **{f"PYNENC__{size}": "1" for size in sizes}
    )
    assert shop.canary().get_result(timeout=100) == "alive"
    for invocation in poison:
        with pytest.raises(InvocationAbandonedError, match=r"decode_limit_sec \(0\.5 s\)"):
            invocation.get_result(timeout=100)
        assert shop.app._runtime.store.get(str(invocation.invocation_id)).recoveries >= 1, "each death counts"
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0
    assert f"the arguments of invocation {poison[0].invocation_id} took longer to decode" in runner.output()


@pytest.mark.parametrize("runner_cls", ["ThreadRunner", *PROCESS_RUNNERS])
def test_a_decoder_that_runs_as_python_is_interrupted_and_its_call_fails(
    shop: Any, processes: Processes, runner_cls: str, tmp_path: Path
) -> None:
    task = shop.slow_coroutine if runner_cls == "AsyncRunner" else shop.slow
    invocations = [task(shop.Slow()), shop.slow_with_timeout(shop.Slow())]
    runner = processes.runner(str(tmp_path / "heavyshop.py"), PYNENC__RUNNER_CLS=runner_cls)
    with pytest.raises(SerializationError, match=r"took longer to decode than decode_limit_sec \(0\.5 s\)"):
        invocations[0].get_result(timeout=60)
    with pytest.raises(TaskTimeoutError, match=r"timeout of 0\.3 s, while its arguments were decoded"):
        invocations[1].get_result(timeout=60)
    assert shop.canary().get_result(timeout=60) == "alive"
    for invocation in invocations:
        assert shop.app._runtime.store.get(str(invocation.invocation_id)).recoveries == 0
    runner.send(signal.SIGTERM)
    assert runner.wait() == 0


def test_time_for_decoding_counts_towards_the_timeout_of_the_task(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pynenc._execute.decoding import rest_of
    from pynenc.conf.body_limits import Limits

    now = [10.0]
    monkeypatch.setattr("pynenc.util.clock.monotonic", lambda: now[0])
    now[0] = 12.0
    assert rest_of(Limits(3.0, 5.0), 10.0) == Limits(1.0, 3.0)
    now[0] = 20.0
    rest = rest_of(Limits(3.0, 5.0), 10.0)
    assert rest is not None
    assert 0 < rest.soft <= rest.hard < 0.01


def test_only_large_payloads_and_code_of_the_users_are_supervised(shop: Any) -> None:
    from pynenc import _core
    from pynenc._execute.decoding import LARGE
    from pynenc._execute.execution import execute
    from pynenc.runner import ThreadRunner

    supervised: list[str] = []

    hooks: Any = ThreadRunner(shop.app)._session.hooks
    hooks.decoding_begins = lambda claim, seconds: supervised.append(claim.task_id)
    for task, payload in (
        ("canary", b"\x01{}"),
        ("canary", b"\x01{}" + b" " * LARGE),
        ("slow", b'\x01{"value":"x"}'),
    ):
        task_id, invocation_id = f"heavyshop.{task}", _core.new_invocation_id()
        execute(shop.app._runtime, _core.Claim(invocation_id, 1, task_id, payload, None, 0, "default", 0, 0, 0), hooks)
    assert supervised == ["heavyshop.canary", "heavyshop.slow"]


def test_a_client_that_waits_with_a_timeout_is_not_held_by_a_planted_result(shop: Any) -> None:
    """Collisions are refused in linear time, so the decoding of a result stays within the limit of payloads."""
    import time
    from typing import Any as Anything

    from pynenc import _core

    def gives() -> set[int]:
        raise NotImplementedError

    gives.__qualname__, gives.__module__ = "gives", "heavyshop"
    gives.__annotations__["return"] = set[int]
    task: Anything = shop.app.task(gives)
    [(invocation_id, _)] = shop.app._runtime.store.submit(
        _core.TaskSpec(str(task.task_id)), [(b"\x01{}", "", None, None)]
    )
    [claim] = shop.app._runtime.store.claim("forger", 1, begin=True)
    numbers = b",".join(b"%d" % (number * (2**61 - 1)) for number in range(100_000))
    shop.app._runtime.store.settle(invocation_id, claim.fence, _core.SUCCESS, b"\x01[" + numbers + b"]")
    began = time.monotonic()
    with pytest.raises(SerializationError, match="same hash"):
        DistributedInvocation(shop.app, invocation_id).get_result(timeout=1)
    assert time.monotonic() - began < 30, "the set itself would take minutes"


def test_the_time_of_a_wait_is_over_before_anything_is_decoded(shop: Any) -> None:
    invocation = shop.canary()
    from pynenc.exceptions import InvocationTimeoutError

    with pytest.raises(InvocationTimeoutError):
        invocation.get_result(timeout=0.05)
    assert threading.active_count() < 50
    wait_until(lambda: str(invocation.status) == "registered", "it is untouched")
