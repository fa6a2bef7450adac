"""The context of a body: its invocation, its runner and its log."""

from __future__ import annotations

import pytest
from support.worlds import World

from pynenc.invocation import DistributedInvocation


def test_a_body_knows_its_invocation(running: World) -> None:
    invocation = running.jobs.basics.own_id()
    assert invocation.result == invocation.invocation_id


def test_outside_a_body_there_is_no_invocation(world: World) -> None:
    with pytest.raises(RuntimeError):
        world.jobs.basics.own_id.invocation


def test_a_child_knows_its_parent(running: World) -> None:
    outer = running.jobs.basics.ids_of_parent_and_child()
    own, child, parent_of_child = outer.result
    assert own == outer.invocation_id == parent_of_child
    handle = DistributedInvocation(running.app, child)
    assert handle.parent_invocation_id == own
    assert handle.parent_invocation.invocation_id == own
    assert outer.parent_invocation is None
    assert running.jobs.basics.parent_id().result is None


def test_context_variables_do_not_leak_from_one_body_into_another(running: World) -> None:
    group = running.jobs.basics.set_variable.parallelize([(f"value-{n}",) for n in range(20)])
    assert set(group.results) == {"nothing"}


def test_context_variables_reach_the_coroutines_and_threads_of_a_body(running: World) -> None:
    assert running.jobs.basics.variable_in_coroutine("seen").result == "seen"


def test_the_task_logger_names_the_invocation_it_speaks_for(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """Read where it is written, for the runner may run bodies in other processes; so it starts with this stderr."""
    world.start()
    texts = [f"line-{n}-of-the-test" for n in range(10)]
    ids = {
        text: invocation.result for text, invocation in [(text, world.jobs.basics.log_a_line(text)) for text in texts]
    }
    world.jobs.basics.add.logger.warning("outside of any invocation")
    lines = capfd.readouterr().err.splitlines()
    for text, invocation_id in ids.items():
        (line,) = [line for line in lines if text in line]
        assert invocation_id in line
    assert any("outside of any invocation" in line for line in lines)
