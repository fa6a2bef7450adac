"""The worlds of the matrix: every scenario runs in each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.worlds import World, combinations, load_jobs, set_environment


@pytest.fixture(params=combinations())
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """A fresh store and app; the runner is started by the scenario."""
    store, runner_kind = request.param
    set_environment(monkeypatch, tmp_path, store)
    world = World(store, runner_kind, load_jobs())
    yield world
    world.close()


@pytest.fixture
def running(world: World) -> World:
    """The same, with a runner of two slots that runs already."""
    world.start(slots=2)
    return world
