"""`isolated(app, manual_clock=True)`: the test moves the clock of the store."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from pynenc import Pynenc
from pynenc.invocation import InvocationStatus
from pynenc.testing import IsolateApp, StartRunner, isolated

app = Pynenc("app-with-a-clock", {"store_url": "sqlite:///elsewhere/production.db", "logging_level": "warning"})


@app.task
def add(x: int, y: int = 1) -> int:
    return x + y


@app.task
def thread_name() -> str:
    return threading.current_thread().name


def test_the_clock_stands_still_until_it_is_advanced() -> None:
    with isolated(app, manual_clock=True) as test:
        began = test.now
        invocation = add(1)
        test.drain()
        assert test.now == began
        test.advance(90)
        assert test.now - began == timedelta(seconds=90)
        history = app.state_backend.get_history(invocation.invocation_id)
        assert {entry.timestamp for entry in history} == {began}


def test_a_result_expires_when_the_clock_is_advanced() -> None:
    with isolated(app, manual_clock=True, result_ttl_sec=3600) as test:
        invocation = add(1)
        test.drain()
        test.advance(3599)
        app._runtime.store.purge_expired()
        assert test.submitted(add) == [invocation]
        test.advance(2)
        app._runtime.store.purge_expired()
        assert test.submitted(add) == []


def test_a_call_that_is_due_later_runs_when_its_time_has_come() -> None:
    with isolated(app, manual_clock=True, unknown_task_delay_sec=30.0) as test:
        invocation = add(1)
        with pytest.MonkeyPatch.context() as patch:
            patch.delitem(app.tasks, add.task_id)
            assert test.drain() == []
        assert test.drain() == []
        test.advance(15)
        assert test.drain() == [invocation]


def test_a_runner_sees_at_once_what_has_become_due(pynenc_runner: StartRunner, pynenc_test: IsolateApp) -> None:
    # Put off by 15 s, the longest delay; the result is there before these have passed.
    test = pynenc_test(app, manual_clock=True, unknown_task_delay_sec=15.0)
    invocation = add(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(app.tasks, add.task_id)
        test.drain()
    pynenc_runner(app, max_threads=1)
    assert thread_name().get_result(timeout=30)
    assert invocation.status is InvocationStatus.REROUTED
    test.advance(15)
    assert invocation.get_result(timeout=10) == 2


@pytest.mark.parametrize("kind", ["sqlite", "redis://127.0.0.1:1/0"])
def test_only_a_store_in_memory_has_a_clock_that_can_be_moved(kind: str) -> None:
    with pytest.raises(ValueError, match="manual_clock needs"), isolated(app, kind, manual_clock=True):
        pass
    with isolated(app) as test, pytest.raises(RuntimeError, match="manual_clock=True"):
        test.advance(1)
    with isolated(app, manual_clock=True) as test, pytest.raises(ValueError, match="not negative"):
        test.advance(-1)
