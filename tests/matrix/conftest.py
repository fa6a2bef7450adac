"""The worlds of the matrix: every scenario runs in each of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.worlds import World, combinations, make_world


@pytest.fixture(params=combinations())
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """A fresh store and app; the runner is started by the scenario."""
    store, runner_kind = request.param
    if request.node.get_closest_marker("within_a_shard"):
        store = dataclasses.replace(store, settings={})
    as_worker = request.node.get_closest_marker("as_worker") is not None
    world = make_world(store, runner_kind, monkeypatch, tmp_path, roles=["worker"] if as_worker else None)
    yield world
    world.close()


@pytest.fixture
def running(world: World) -> World:
    """The same, with a runner of two slots that runs already."""
    world.start(slots=2)
    return world
