"""The identity of a runner, stored and sent."""

from __future__ import annotations

import os
import socket

import pytest

from pynenc.runner import RunnerContext


def test_a_runner_context_describes_the_calling_process() -> None:
    context = RunnerContext("ThreadRunner")
    assert (context.pid, context.hostname) == (os.getpid(), socket.gethostname())
    assert context.root_runner_id == context.runner_id
    assert RunnerContext("ThreadRunner").runner_id != context.runner_id


def test_a_child_knows_its_root() -> None:
    root = RunnerContext("Outer", "root")
    grandchild = root.new_child_context("Inner", "child").new_child_context()
    assert grandchild.runner_cls == "Inner"
    assert grandchild.root_runner_id == "root"
    assert grandchild.parent_ctx is not None
    assert grandchild.parent_ctx.parent_ctx is root


def test_a_runner_context_survives_json_with_its_parents() -> None:
    context = RunnerContext("Outer", "root").new_child_context("Inner", "child")
    assert RunnerContext.from_json(context.to_json()) == context


@pytest.mark.parametrize("text", ["{}", "[]", "null", '{"runner_cls": "X"}', "no json"])
def test_text_that_is_no_runner_context_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a runner context|Expecting value"):
        RunnerContext.from_json(text)
