"""`pynenc.testing.isolated` and `AppTest`: a separate store, the submitted calls, bodies on the thread of the test."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pynenc import Pynenc
from pynenc._wait import threads as _wait
from pynenc.exceptions import ConfigError, PayloadTooLargeError, RetryError, RunnerError, TaskTimeoutError
from pynenc.invocation import InvocationStatus
from pynenc.runner import ThreadRunner
from pynenc.testing import AppTest, isolated

Unusual = type("Unusual", (Exception,), {"__module__": "elsewhere"})

app = Pynenc("app-under-test", {"store_url": "sqlite:///elsewhere/production.db", "logging_level": "warning"})
other_app = Pynenc("beside-it", {"store_url": "memory://"})


# Of a module that no task is in.
app.register_exception(Unusual)


@app.task
def add(x: int, y: int = 1) -> int:
    return x + y


@app.task
def total(numbers: list[int], *, scale: float = 1.0) -> float:
    return scale * sum(add.parallelize([(number, 0) for number in numbers]).get_results())


@app.task
def fib(n: int) -> int:
    if n < 2:
        return n
    one, two = fib(n - 1), fib(n - 2)
    return one.result + two.result


@app.task
async def add_on_a_loop(x: int) -> int:
    return await add(x)


@app.task
def thread_name() -> str:
    return threading.current_thread().name


@app.task
def fails() -> None:
    raise LookupError("no such order")


@app.task
def fails_unusually() -> None:
    raise Unusual("registered")


@app.task(max_retries=2)
def succeeds_at_the_third_attempt() -> int:
    retries = succeeds_at_the_third_attempt.invocation.num_retries
    if retries < 2:
        raise RetryError("not yet")
    return retries


@app.task
def submits_itself() -> None:
    submits_itself()


@app.task(timeout=0.05)
def never_ends() -> None:
    while True:
        os.stat(".")


@app.task
def interrupts() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@app.task
def leaves_a_child() -> None:
    add(1)


@other_app.task
def unrelated() -> None:
    """Of another app."""


@pytest.fixture
def test(pynenc_test: Callable[[Pynenc], AppTest]) -> AppTest:
    return pynenc_test(app)


# -- a store of its own ------------------------------------------------------------------------------------------------


def test_the_app_has_an_empty_store_in_memory_and_gets_its_own_back() -> None:
    before = app.conf.store_url
    with isolated(app) as first:
        add(1)
        assert len(first.submitted(add)) == 1
        assert app.conf.store_url == "memory://"
    with isolated(app) as second:
        assert second.submitted(add) == []
    assert app.conf.store_url == before
    assert not Path("elsewhere").exists()


def test_the_environment_does_not_choose_the_store_of_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__STORE_URL", "sqlite:///from_the_environment.db")
    with isolated(app):
        add(1)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
def test_every_store_can_be_drained(
    pynenc_test: Callable[..., AppTest], pynenc_store_url: Callable[[str], str], kind: str
) -> None:
    test = pynenc_test(app, pynenc_store_url(kind) if kind == "redis" else kind)
    invocation = total([1, 2, 3], scale=2.0)
    assert len(test.drain()) == 4
    assert invocation.result == 12.0
    assert app.orchestrator.count_invocations(statuses="success") == 4


def test_a_store_that_is_not_empty_is_refused_and_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'live.db'}"
    live = Pynenc(app.app_id, {"store_url": url})
    live.task(add.func)(1)
    with pytest.raises(ValueError, match=r"has 1 invocations of app 'app-under-test'"), isolated(app, url):
        pass
    assert live.orchestrator.count_invocations() == 1


@pytest.mark.parametrize(
    ("store", "answer"), [("sqllite", r": did you mean sqlite\?"), ("Memory", r": did you mean memory\?"), ("", "")]
)
def test_the_error_of_an_unknown_store_lists_the_known_stores(store: str, answer: str) -> None:
    known = r" \(known: 'memory', 'sqlite', or a URL"
    with pytest.raises(ConfigError, match=f"no store '{store}' for a test{answer}{known}"), isolated(app, store):
        pass


def test_a_forgotten_drain_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_wait, "MEMORY_GRACE_SEC", 0.05)
    live = Pynenc("not-isolated", {"store_url": "memory://"})
    with isolated(live):
        pass
    with isolated(app):
        with pytest.raises(RunnerError, match=r"test\.drain\(\).*pynenc_runner\(app\)"):
            _ = add(1).result
        with pytest.raises(RunnerError, match=r"threading\.Thread\(target=app\.runner\.run\)"):
            _ = live.task(add.func)(1).result


def test_settings_hold_for_the_time_of_the_test_only() -> None:
    with isolated(app, max_payload_bytes=10), pytest.raises(PayloadTooLargeError):
        total([1] * 100)
    with isolated(app):
        total([1] * 100)


def test_a_setting_that_does_not_exist_is_named() -> None:
    with (
        pytest.raises(ConfigError, match=r"'max_payload_byte', .* did you mean max_payload_bytes"),
        isolated(app, max_payload_byte=10),
    ):
        pass


def test_dev_mode_can_be_set_for_a_test() -> None:
    with isolated(app, dev_mode_force_sync_tasks=True) as test:
        assert total([1, 2]).result == 3.0
        assert test.submitted(total) == []


def test_an_app_whose_runner_runs_is_not_isolated(pynenc_runner: Callable[[Pynenc], object]) -> None:
    with isolated(app):
        pynenc_runner(app)
        with pytest.raises(RuntimeError, match="a runner of app 'app-under-test' runs"), isolated(app):
            pass
        app.runner.stop_runner_loop()
        app.runner.wait_until_stopped(30.0)


def test_a_runner_of_the_test_stops_before_the_app_gets_its_store_back(
    pynenc_runner: Callable[..., ThreadRunner], pynenc_test: Callable[[Pynenc], AppTest]
) -> None:
    pynenc_test(app)
    runner = pynenc_runner(app, ThreadRunner, max_threads=1)
    assert fib(6).get_result(timeout=30) == 8
    assert runner.running


def test_two_apps_are_isolated_side_by_side(pynenc_test: Callable[[Pynenc], AppTest]) -> None:
    test, beside = pynenc_test(app), pynenc_test(other_app)
    unrelated()
    assert test.drain() == []
    assert [one.task for one in beside.drain()] == [unrelated]


# -- what was submitted ------------------------------------------------------------------------------------------------


def test_a_submitted_call_is_found_however_its_arguments_were_passed(test: AppTest) -> None:
    invocation = add(1)
    assert test.assert_submitted(add, 1) == invocation
    assert test.assert_submitted(add, x=1, y=1) == invocation
    assert test.assert_submitted(add, 1, y=1).status is InvocationStatus.REGISTERED


def test_a_missing_call_is_reported_with_the_recorded_calls(test: AppTest) -> None:
    with pytest.raises(AssertionError, match=r"add\(x=2, y=1\) was not submitted; there is no call .* tasks: none"):
        test.assert_submitted(add, 2)
    total([1])
    with pytest.raises(AssertionError, match=r"calls of other tasks: \S+total \(1\)"):
        test.assert_submitted(add, 2)
    add(1)
    with pytest.raises(AssertionError, match=r"the calls of this task are \S+add\(x=1"):
        test.assert_submitted(add, 2)


def test_a_task_that_was_called_fails_the_assertion_that_it_was_not(test: AppTest) -> None:
    test.assert_not_submitted(add)
    add(4, 5)
    with pytest.raises(AssertionError, match=r"add was submitted: \S+add\(x=4, y=5\)"):
        test.assert_not_submitted(add)


def test_arguments_that_do_not_fit_are_a_type_error(test: AppTest) -> None:
    with pytest.raises(TypeError):
        test.assert_submitted(add, 1, 2, 3)  # type: ignore[call-arg]


def test_finished_calls_count_as_submitted_in_their_order(test: AppTest) -> None:
    made = [add(1), add(2)]
    test.drain()
    assert test.submitted(add) == [*made]
    assert test.assert_submitted(add, 2).result == 3


# -- draining ----------------------------------------------------------------------------------------------------------


def test_bodies_run_on_the_thread_of_the_test_also_while_others_wait(test: AppTest) -> None:
    name, result = thread_name(), fib(7)
    ran = test.drain()
    assert ran[0] == name
    assert name.result == threading.current_thread().name
    assert result.result == 13
    assert {one.status for one in ran} == {InvocationStatus.SUCCESS}


def test_draining_an_empty_queue_runs_nothing(test: AppTest) -> None:
    assert test.drain() == []


def test_an_invocation_that_a_body_submits_is_drained(test: AppTest) -> None:
    leaves_a_child()
    assert [one.task for one in test.drain()] == [leaves_a_child, add]


def test_an_attempt_that_is_retried_counts_as_one_that_ran(test: AppTest) -> None:
    invocation = succeeds_at_the_third_attempt()
    assert test.drain() == [invocation] * 3
    assert invocation.result == 2


def test_the_exception_of_a_body_is_the_outcome_of_its_invocation(test: AppTest) -> None:
    invocation = fails()
    test.drain()
    assert invocation.status is InvocationStatus.FAILED
    with pytest.raises(LookupError, match="no such order"):
        _ = invocation.result


def test_exceptions_that_the_app_has_registered_stay_registered(test: AppTest) -> None:
    invocation = fails_unusually()
    test.drain()
    with pytest.raises(Unusual):
        _ = invocation.result


def test_a_coroutine_body_that_awaits_a_child_is_drained(test: AppTest) -> None:
    invocation = add_on_a_loop(5)
    test.drain()
    assert invocation.result == 6


def test_a_time_limit_interrupts_a_body(test: AppTest) -> None:
    invocation = never_ends()
    test.drain()
    with pytest.raises(TaskTimeoutError):
        _ = invocation.result


def test_a_task_that_submits_itself_for_ever_reaches_the_limit(test: AppTest) -> None:
    submits_itself()
    with pytest.raises(RuntimeError, match="has run 20 bodies"):
        test.drain(limit=20)


def test_ctrl_c_in_a_drained_body_ends_the_test(test: AppTest) -> None:
    interrupts()
    add(1)
    with pytest.raises(KeyboardInterrupt):
        test.drain()
    assert test.assert_submitted(add, 1).status is InvocationStatus.REGISTERED


def test_a_wait_without_a_running_drain_is_refused_at_once(test: AppTest) -> None:
    test.drain()
    with pytest.raises(RunnerError, match="call drain"):
        _ = add(1).result


def test_a_body_that_waits_for_an_invocation_that_cannot_run_now_fails(
    test: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A call of an unknown task is deferred.
    monkeypatch.delitem(app.tasks, add.task_id)
    invocation = total([1])
    test.drain()
    with pytest.raises(RunnerError, match=r"total waits for \S+, which cannot run now"):
        _ = invocation.result


async def _drain_on_a_loop(test: AppTest) -> int:
    invocation = add_on_a_loop(1)
    with pytest.raises(RuntimeError, match=r"await asyncio\.to_thread"):
        test.drain()
    await asyncio.to_thread(test.drain)
    return await invocation


def test_an_event_loop_drains_on_a_thread(test: AppTest) -> None:
    assert asyncio.run(_drain_on_a_loop(test)) == 2
