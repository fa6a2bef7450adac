"""Executing one claim always yields an outcome."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support.worlds import load_jobs

from pynenc import _core, context
from pynenc._execute.execution import execute, execute_async
from pynenc.exceptions import RunnerError
from pynenc.invocation import DistributedInvocation


@pytest.fixture
def jobs(memory_env: None) -> Iterator[Any]:
    jobs = load_jobs()
    yield jobs
    jobs.app._runtime.store.close()


def _execute(jobs: Any, invocation: Any) -> Any:
    (claim,) = jobs.app._runtime.store.claim("test", 1)
    assert claim.invocation_id == invocation.invocation_id
    return execute(jobs.app._runtime, claim, jobs.app.runner._session.hooks)


def test_a_value_is_a_success(jobs: Any) -> None:
    outcome = _execute(jobs, jobs.basics.add(1, 2))
    assert outcome.kind == _core.SUCCESS
    assert jobs.app._runtime.codec.decode_result(jobs.basics.add, outcome.payload) == 3


def test_a_coroutine_is_run_to_its_end(jobs: Any) -> None:
    outcome = _execute(jobs, jobs.basics.add_slowly(1, 2))
    assert jobs.app._runtime.codec.decode_result(jobs.basics.add_slowly, outcome.payload) == 3


def test_a_coroutine_that_waits_keeps_two_frames_of_the_package(jobs: Any) -> None:
    """Each frame more costs every body that waits half a kilobyte."""
    task = jobs.basics.frames_above
    task()
    (claim,) = jobs.app._runtime.store.claim("test", 1)
    outcome = asyncio.run(execute_async(jobs.app._runtime, claim, jobs.app.runner._session.hooks))
    frames = jobs.app._runtime.codec.decode_result(task, outcome.payload)
    assert frames == ["run", "execute_async"]


@pytest.mark.parametrize(
    "name",
    [
        "raise_unprintable",
        "raise_unreducible",
        "raise_picky",
        "raise_lying_args",
        "raise_keyboard_interrupt",
        "raise_generator_exit",
        "raise_base_exception",
        "exit_in_coroutine",
        "recurse_for_ever",
        "return_opaque",
    ],
)
def test_every_exception_or_unusable_result_of_a_body_is_a_failure(jobs: Any, name: str) -> None:
    outcome = _execute(jobs, getattr(jobs.faults, name)())
    assert outcome.kind == _core.FAILURE
    assert outcome.payload


def test_arguments_that_do_not_fit_fail_without_running_the_body(jobs: Any) -> None:
    task = jobs.basics.add
    (call,) = [(b"\xffnonsense", "", None, None)]
    ((invocation_id, _),) = jobs.app._runtime.store.submit(task._plan.spec, [call])
    outcome = _execute(jobs, DistributedInvocation(jobs.app, invocation_id))
    assert outcome.kind == _core.FAILURE
    assert "Serialization" in type(jobs.app._runtime.codec.decode_exception(task, outcome.payload)).__name__


def test_a_broken_codec_still_leaves_an_outcome(jobs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    invocation = jobs.basics.add(1, 2)
    (claim,) = jobs.app._runtime.store.claim("test", 1)

    def broken(*_: Any) -> bytes:
        raise SystemExit("broken")

    monkeypatch.setattr(jobs.app._runtime.codec, "decode_arguments", broken)
    assert execute(jobs.app._runtime, claim, jobs.app.runner._session.hooks).kind == _core.FAILURE
    monkeypatch.setattr(jobs.app._runtime.codec, "encode_exception", broken)
    outcome = execute(jobs.app._runtime, claim, jobs.app.runner._session.hooks)
    assert outcome.kind == _core.RELEASE
    assert "could not record a failure" in outcome.note
    assert invocation.status.value == "pending"


def test_a_retriable_exception_asks_for_a_retry_only_while_there_are_any(jobs: Any) -> None:
    invocation = jobs.basics.retry_for_key_error(9)
    kinds = []
    for _ in range(3):
        (claim,) = jobs.app._runtime.store.claim("test", 1)
        outcome = execute(jobs.app._runtime, claim, jobs.app.runner._session.hooks)
        kinds.append(outcome.kind)
        jobs.app._runtime.store.begin(claim.invocation_id, claim.fence)
        jobs.app._runtime.store.settle(claim.invocation_id, claim.fence, *outcome)
    assert kinds == [_core.RETRY, _core.RETRY, _core.FAILURE]
    assert invocation.status.value == "failed"


def test_the_body_has_a_context_of_its_own(jobs: Any) -> None:
    variable = jobs.basics.INHERITED
    variable.set("outside")
    outcome = _execute(jobs, jobs.basics.set_variable("inside"))
    assert jobs.app._runtime.codec.decode_result(jobs.basics.set_variable, outcome.payload) == "outside"
    assert variable.get() == "outside"
    assert context.current_invocation.get() is None


def test_run_needs_a_claim(jobs: Any) -> None:
    with pytest.raises(RunnerError, match="get_invocations_to_run"):
        jobs.basics.add(1, 2).run()


def test_an_invocation_that_was_lost_before_it_began_is_not_run(jobs: Any) -> None:
    invocation = jobs.basics.note("never")
    taken = next(jobs.app.orchestrator.get_invocations_to_run(1))
    jobs.app.orchestrator.reroute_invocations([taken])
    taken.run()
    assert invocation.status.value == "rerouted"


def test_bodies_of_one_thread_do_not_see_each_other(jobs: Any) -> None:
    found = []
    for value in ("first", "second"):
        thread = threading.Thread(
            target=lambda value=value: found.append(_execute(jobs, jobs.basics.set_variable(value)))
        )
        thread.start()
        thread.join()
    decode = jobs.app._runtime.codec.decode_result
    assert [decode(jobs.basics.set_variable, outcome.payload) for outcome in found] == ["nothing", "nothing"]
