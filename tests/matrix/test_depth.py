"""Calls in bodies may be nested down to `max_depth`."""

from __future__ import annotations

import pytest
from support.worlds import World

from pynenc.exceptions import DepthExceededError

MAX_DEPTH = 3


@pytest.fixture(autouse=True)
def shallow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__MAX_DEPTH", str(MAX_DEPTH))


def test_an_endless_recursion_ends_at_max_depth(world: World) -> None:
    world.start(1)
    assert world.jobs.waits.chain(MAX_DEPTH).get_result(timeout=60) == MAX_DEPTH
    before = world.app.orchestrator.count_invocations()
    with pytest.raises(DepthExceededError) as raised:
        world.jobs.waits.chain(10_000).get_result(timeout=60)
    assert "max_depth is 3" in str(raised.value)
    assert "PYNENC__MAX_DEPTH" in str(raised.value), "where the setting comes from"
    assert world.app.orchestrator.count_invocations() == before + 1 + MAX_DEPTH, "nothing deeper was submitted"


def test_a_batch_beyond_max_depth_is_refused_as_a_whole(world: World) -> None:
    world.start(1)
    assert world.jobs.waits.fan_out(2, MAX_DEPTH).get_result(timeout=60) == 2**MAX_DEPTH
    with pytest.raises(DepthExceededError):
        world.jobs.waits.fan_out(1, MAX_DEPTH + 1).get_result(timeout=60)
