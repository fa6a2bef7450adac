"""The views of the store: the results for user code written against the components."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any

import pytest
from support.worlds import STORES, load_jobs, set_environment

from pynenc.exceptions import (
    InvocationError,
    InvocationNotFoundError,
    InvocationStatusOwnershipError,
    InvocationStatusTransitionError,
    PayloadTooLargeError,
)
from pynenc.invocation.status import InvocationStatus


@pytest.fixture(params=STORES, ids=lambda kind: kind.name)
def jobs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Any]:
    set_environment(monkeypatch, tmp_path, request.param)
    jobs = load_jobs()
    yield jobs
    jobs.app._runtime.store.close()


def _claim(jobs: Any) -> Any:
    return next(jobs.app.orchestrator.get_invocations_to_run(1))


def test_work_taken_without_a_runner_can_be_run_here(jobs: Any) -> None:
    invocation = jobs.basics.add(1, 2)
    (taken,) = jobs.app.orchestrator.get_invocations_to_run(5)
    assert taken.invocation_id == invocation.invocation_id
    assert jobs.app.orchestrator.get_invocation_status(invocation) is InvocationStatus.PENDING
    taken.run()
    assert invocation.result == 3
    assert jobs.app.state_backend.get_result(invocation.invocation_id) == 3


def test_invocations_left_in_the_iterator_go_back_to_the_queue(jobs: Any) -> None:
    for n in range(3):
        jobs.basics.add(n, n)
    work = jobs.app.orchestrator.get_invocations_to_run(3)
    first = next(work)
    work.close()
    assert jobs.app.broker.count_invocations() == 2
    assert jobs.app.orchestrator.get_invocation_status(first) is InvocationStatus.PENDING


def test_nothing_is_claimed_for_no_slots(jobs: Any) -> None:
    jobs.basics.add(1, 1)
    assert list(jobs.app.orchestrator.get_invocations_to_run(0)) == []
    assert jobs.app.broker.count_invocations() == 1


def test_a_task_unknown_here_is_handed_back_with_a_note_and_not_yielded(jobs: Any) -> None:
    invocation = jobs.basics.add(1, 1)
    known = jobs.app.tasks.copy()
    jobs.app.tasks.clear()
    try:
        assert list(jobs.app.orchestrator.get_invocations_to_run(1)) == []
    finally:
        jobs.app.tasks.update(known)
    assert jobs.app.orchestrator.get_invocation_status(invocation) is InvocationStatus.REROUTED
    record = jobs.app._runtime.store.get(invocation.invocation_id)
    assert "is not known here" in record.note
    assert record.releases == 1


def test_a_history_counts_equal_hand_backs_in_a_row(jobs: Any) -> None:
    invocation = jobs.basics.add(1, 1)
    for _ in range(3):
        jobs.app.broker.route_invocation(jobs.app.broker.retrieve_invocation())
    history = jobs.app.state_backend.get_history(invocation)
    assert [(str(entry.status), entry.times) for entry in history] == [
        ("registered", 1),
        ("pending", 1),
        ("rerouted", 3),
    ]
    assert jobs.app._runtime.store.get(invocation.invocation_id).releases == 3


def test_the_owner_sets_result_exception_and_retry(jobs: Any) -> None:
    orchestrator = jobs.app.orchestrator
    results = []
    for finish in (
        lambda taken: orchestrator.set_invocation_result(taken, 5),
        lambda taken: orchestrator.set_invocation_exception(taken, ValueError("no")),
        lambda taken: orchestrator.set_invocation_retry(taken, KeyError("again")),
    ):
        invocation = jobs.basics.add(1, 1)
        taken = _claim(jobs)
        orchestrator.set_invocation_status(taken, InvocationStatus.RUNNING)
        finish(taken)
        results.append((invocation, orchestrator.get_invocation_status(invocation)))
    assert [status.value for _, status in results] == ["success", "failed", "retry"]
    backend = jobs.app.state_backend
    assert backend.get_result(results[0][0]) == 5
    assert repr(backend.get_exception(results[1][0])) == "ValueError('no')"
    assert orchestrator.get_invocation_retries(results[2][0]) == 1
    with pytest.raises(InvocationError, match="has no result"):
        backend.get_result(results[1][0])
    with pytest.raises(InvocationError, match="not finished"):
        backend.get_exception(results[2][0])


def test_only_the_owner_may_change_an_invocation(jobs: Any) -> None:
    invocation = jobs.basics.add(1, 1)
    orchestrator = jobs.app.orchestrator
    with pytest.raises(InvocationStatusOwnershipError, match="carries no claim"):
        orchestrator.set_invocation_status(invocation.invocation_id, "running")
    taken = _claim(jobs)
    orchestrator.reroute_invocations([taken])
    with pytest.raises(InvocationStatusOwnershipError):
        orchestrator.set_invocation_result(taken, 1)
    with pytest.raises(InvocationStatusTransitionError, match="outcomes are set with"):
        orchestrator.set_invocation_status(_claim(jobs), "success")


def test_setting_cancelled_withdraws_only_unclaimed_invocations(jobs: Any) -> None:
    waiting, taken_by_runner = jobs.basics.add(1, 1), jobs.basics.add(2, 2)
    orchestrator = jobs.app.orchestrator
    orchestrator.set_invocation_status(waiting, "cancelled")
    assert orchestrator.get_invocation_status(waiting) is InvocationStatus.CANCELLED
    _claim(jobs)
    with pytest.raises(InvocationStatusTransitionError, match="a runner has claimed it"):
        orchestrator.set_invocation_status(taken_by_runner, "cancelled")


def test_the_broker_retrieves_an_id_that_can_run(jobs: Any) -> None:
    invocation = jobs.basics.add(2, 3)
    broker = jobs.app.broker
    assert broker.count_invocations() == broker.count_invocations(["default"]) == 1
    assert broker.retrieve_invocation("another") is None
    claimed = broker.retrieve_invocation()
    assert claimed == invocation.invocation_id
    assert broker.retrieve_invocation() is None
    broker.route_invocation(claimed)
    assert broker.count_invocations() == 1
    jobs.app.state_backend.get_invocation(broker.retrieve_invocation("default")).run()
    assert invocation.result == 5


def test_purging_the_broker_leaves_what_has_finished(jobs: Any) -> None:
    done, waiting = jobs.basics.add(1, 1), jobs.basics.add(2, 2)
    _claim(jobs).run()
    jobs.app.broker.purge()
    assert jobs.app.broker.count_invocations() == 0
    assert done.result == 2
    assert jobs.app.orchestrator.get_invocation_status(waiting) is InvocationStatus.CANCELLED
    jobs.app.state_backend.purge()
    assert jobs.app.orchestrator.count_invocations() == 0


def test_invocations_are_found_by_task_status_arguments_and_page(jobs: Any) -> None:
    add, orchestrator = jobs.basics.add, jobs.app.orchestrator
    made = [add(n, 0).invocation_id for n in range(5)]
    jobs.basics.nothing()
    _claim(jobs).run()
    assert list(orchestrator.get_task_invocation_ids(add.task_id)) == made
    assert orchestrator.get_invocation_ids_paginated(add.task_id, limit=2, offset=1) == made[1:3]
    assert orchestrator.count_invocations(add.task_id) == 5
    assert orchestrator.count_invocations(statuses=[InvocationStatus.SUCCESS]) == 1
    assert orchestrator.filter_final(made) == made[:1]
    assert orchestrator.filter_by_status(made, [InvocationStatus.REGISTERED]) == made[1:]
    texts = jobs.app._runtime.codec.argument_texts(add, {"a": 3})
    assert list(orchestrator.get_existing_invocations(add, texts)) == [made[3]]
    assert list(orchestrator.get_existing_invocations(add, statuses="success")) == made[:1]
    for missing in (orchestrator.get_invocation_status, jobs.app.state_backend.get_history):
        with pytest.raises(InvocationNotFoundError):
            missing(_unknown_id())


def test_the_invocations_of_one_call_are_found_by_the_call(jobs: Any) -> None:
    first, again, _ = jobs.basics.add(7, 0), jobs.basics.add(7, 0), jobs.basics.add(8, 0)
    found = list(jobs.app.orchestrator.get_call_invocation_ids(first.call.call_id))
    assert found == [first.invocation_id, again.invocation_id]


def test_a_routed_call_is_an_invocation(jobs: Any) -> None:
    call = jobs.basics.add(4, 4).call
    again = jobs.app.orchestrator.route_call(call)
    assert again.arguments.kwargs == {"a": 4, "b": 4}
    assert jobs.app.broker.route_call(call).invocation_id != again.invocation_id
    assert jobs.app.broker.count_invocations() == 3


def test_a_recorded_wait_pauses_the_caller_and_finds_its_children(jobs: Any) -> None:
    jobs.basics.add(1, 1)
    parent = _claim(jobs)
    orchestrator = jobs.app.orchestrator
    orchestrator.set_invocation_status(parent, "running")
    other = jobs.basics.add(2, 2)
    orchestrator.waiting_for_results(None, [other])
    orchestrator.waiting_for_results(parent, [other])
    assert orchestrator.get_invocation_status(parent) is InvocationStatus.PAUSED
    assert list(orchestrator.get_blocking_invocations(5)) == []
    orchestrator.set_invocation_status(parent, "running")
    assert orchestrator.get_invocation_status(parent) is InvocationStatus.RUNNING


def test_history_has_the_names_of_both_generations(jobs: Any) -> None:
    invocation = jobs.basics.add(1, 1)
    _claim(jobs).run()
    history = jobs.app.state_backend.get_history(invocation)
    assert [entry.status.value for entry in history] == ["registered", "pending", "running", "success"]
    last = history[-1]
    assert last.timestamp.tzinfo is UTC
    assert last.execution_context == last.runner_context_id == last.runner != ""
    assert last.status_record.status is InvocationStatus.SUCCESS
    assert last.started is not None
    assert last.slot == 0
    assert last.registered_by_inv_id is None
    jobs.app.state_backend.wait_for_all_async_operations()


def test_the_status_record_names_the_owner(jobs: Any) -> None:
    invocation = jobs.basics.add(1, 1)
    record = jobs.app.orchestrator.get_invocation_status_record(invocation)
    assert (record.status, record.runner_id) == (InvocationStatus.REGISTERED, None)
    _claim(jobs)
    assert jobs.app.orchestrator.get_invocation_status_record(invocation).runner_id.startswith("view(")


def _unknown_id() -> str:
    from pynenc import _core

    return _core.new_invocation_id()


def test_arguments_that_are_larger_than_the_limit_fail_their_invocation_and_are_not_decoded(jobs: Any) -> None:
    finished = jobs.faults.take_anything("y" * 2000)
    claimed = jobs.app.broker.retrieve_invocation()
    jobs.app.orchestrator.set_invocation_status(claimed, "running")
    jobs.app.orchestrator.set_invocation_result(claimed, "y" * 2000)
    invocation = jobs.faults.take_anything("x" * 2000)
    limit = jobs.app.conf.max_payload_bytes
    jobs.app.conf.max_payload_bytes = 1000
    try:
        with pytest.raises(PayloadTooLargeError, match="not decoded"):
            _ = finished.result
        jobs.app.state_backend.get_invocation(jobs.app.broker.retrieve_invocation()).run()
    finally:
        jobs.app.conf.max_payload_bytes = limit
    assert jobs.app.orchestrator.get_invocation_status(invocation) is InvocationStatus.FAILED
    with pytest.raises(PayloadTooLargeError, match="max_payload_bytes is 1000"):
        _ = invocation.result
