"""Which invocation and runner the running code belongs to."""

from __future__ import annotations

import contextvars
import threading
from typing import Any

import pytest
from support.seed_runners import RecordingRunner
from support.worlds import load_jobs

from pynenc import Pynenc, context
from pynenc.call import Call
from pynenc.invocation import ConcurrentInvocation


@pytest.fixture
def jobs(memory_env: None) -> Any:
    return load_jobs()


def test_within_the_block_the_code_belongs_to_the_invocation_and_afterwards_to_what_it_did_before(jobs: Any) -> None:
    outer, inner = jobs.basics.add(1, 1), jobs.basics.add(2, 2)
    runner = RecordingRunner(jobs.app)
    with context.enter_invocation(outer, runner, {"mine": 1}):
        with context.enter_invocation(inner, None):
            assert context.current_invocation.get() is inner
            assert context.current_runner_args.get() is None
        assert context.current_invocation.get() is outer
        assert context.current_runner.get() is runner
        assert context.current_runner_args.get() == {"mine": 1}
        assert jobs.basics.add.invocation is outer
    assert context.current_invocation.get() is None
    assert context.current_runner.get() is None


def test_an_exception_in_the_block_leaves_nothing_behind(jobs: Any) -> None:
    with pytest.raises(KeyError), context.enter_invocation(jobs.basics.add(1, 1), None):
        raise KeyError
    assert context.current_invocation.get() is None


def test_the_invocation_of_another_app_does_not_count(jobs: Any) -> None:
    other = Pynenc("another")
    with context.enter_invocation(jobs.basics.add(1, 1), None):
        assert context.invocation_of(other) is None
        assert context.get_dist_invocation_context("another") is None
        assert context.get_dist_invocation_context(jobs.app.app_id) is context.current_invocation.get()
        assert context.get_current_app() is jobs.app


def test_a_plain_thread_starts_empty_and_one_with_a_copied_context_does_not(jobs: Any) -> None:
    seen: list[Any] = []

    def look() -> None:
        seen.append(context.current_invocation.get())

    with context.enter_invocation(jobs.basics.add(1, 1), None):
        expected = context.current_invocation.get()
        for target in (look, lambda run=contextvars.copy_context().run: run(look)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert seen == [None, expected]


def test_the_map_of_dev_mode_invocations_has_at_most_one_entry(jobs: Any) -> None:
    assert len(context.sync_inv_context) == 0
    assert list(context.sync_inv_context) == []
    with context.enter_invocation(ConcurrentInvocation(Call(jobs.basics.add, jobs.basics.add.args(1, 1))), None):
        assert len(context.sync_inv_context) == 1


def test_swapping_the_context_returns_the_previous_invocation(jobs: Any) -> None:
    def swap() -> None:
        one, app_id = jobs.basics.add(1, 1), jobs.app.app_id
        assert context.swap_dist_invocation_context(app_id, one) is None
        assert context.swap_dist_invocation_context(app_id, None) is one

    contextvars.copy_context().run(swap)


def test_the_runner_of_the_context_comes_before_the_one_of_the_app(jobs: Any) -> None:
    here, last = RecordingRunner(jobs.app), RecordingRunner(jobs.app)
    assert jobs.app.runner is last
    with context.enter_invocation(jobs.basics.add(1, 1), here):
        assert jobs.app.runner is here
        assert context.get_current_runner(jobs.app.app_id) is here
        runner_context = context.get_runner_context(jobs.app.app_id)
        assert runner_context is not None
        assert (runner_context.runner_cls, runner_context.runner_id) == ("RecordingRunner", here.runner_id)
    assert context.get_runner_context(jobs.app.app_id) is None
    assert context.get_or_create_runner_context(jobs.app.app_id).runner_cls == "ExternalRunner"


def test_a_call_inside_a_body_knows_its_parent_and_its_depth(jobs: Any) -> None:
    root = jobs.basics.add(1, 1)
    with context.enter_invocation(root, None):
        child = jobs.basics.add(2, 2)
        with context.enter_invocation(child, None):
            (grandchild,) = jobs.basics.add.parallelize([(3, 3)])
    assert (root.depth, child.depth, grandchild.depth) == (0, 1, 2)
    assert (root.parent_invocation_id, grandchild.parent_invocation_id) == (None, child.invocation_id)
    assert child.parent_invocation == root
    stored = jobs.app.state_backend.get_invocation(str(grandchild.invocation_id))
    assert (stored.depth, stored.parent_invocation) == (2, child)
