"""`max_retries`, `retry_for`, `RetryError`."""

from __future__ import annotations

import pytest
from support.ledger import Ledger
from support.worlds import World

from pynenc.exceptions import RetryError


def _attempts() -> list[int | None]:
    return [event.get("attempt") for event in Ledger.of_environment().of_kind("attempt")]


def test_retry_error_runs_the_body_again_until_it_succeeds(running: World) -> None:
    invocation = running.jobs.basics.ask_for_retry(2)
    assert invocation.result == 2
    assert _attempts() == [0, 1, 2]
    assert invocation.num_retries == 2


def test_the_last_exception_is_the_result_after_all_retries(running: World) -> None:
    invocation = running.jobs.basics.ask_for_retry(99)
    with pytest.raises(RetryError, match="attempt 3"):
        invocation.result
    assert _attempts() == [0, 1, 2, 3]


def test_an_exception_in_retry_for_is_retried(running: World) -> None:
    assert running.jobs.basics.retry_for_key_error(1).result == 1
    assert _attempts() == [0, 1]


def test_an_exception_in_retry_for_is_raised_as_itself_in_the_end(running: World) -> None:
    with pytest.raises(KeyError, match="attempt 2"):
        running.jobs.basics.retry_for_key_error(99).result
    assert _attempts() == [0, 1, 2]


def test_an_exception_outside_retry_for_is_not_retried(running: World) -> None:
    with pytest.raises(IndexError):
        running.jobs.basics.fail_with_another_error().result
    assert _attempts() == [None]


def test_retry_error_is_retried_even_when_retry_for_does_not_name_it(world: World) -> None:
    assert RetryError in world.jobs.basics.retry_for_key_error.retriable_exceptions


def test_the_history_of_a_retried_invocation_shows_each_attempt(running: World) -> None:
    invocation = running.jobs.basics.ask_for_retry(1)
    invocation.result
    statuses = [str(entry.status) for entry in running.app.state_backend.get_history(invocation.invocation_id)]
    assert statuses == ["registered", "pending", "running", "retry", "pending", "running", "success"]


def test_a_retry_keeps_its_concurrency_key_in_order(running: World) -> None:
    """Retried invocations meet a taken key like new ones, and the runner survives that."""
    group = running.jobs.controls.one_at_a_time_with_retry.parallelize([(f"name-{n}",) for n in range(6)])
    assert list(group.results) == [1] * 6
    assert running.jobs.basics.add(1, 1).result == 2
