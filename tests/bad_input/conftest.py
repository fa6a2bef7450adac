"""Helpers of the bad-input tests: whatever is refused, nothing was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.worlds import World

Refused = Callable[[type[BaseException]], Any]


@pytest.fixture
def world(thread_world: World) -> World:
    """A SQLite store, and a ThreadRunner that the test may start."""
    return thread_world


@pytest.fixture
def refused(world: World) -> Any:
    """`with refused(Error) as raised:` — the block raises, and the store holds as many invocations as before."""

    @contextmanager
    def block(error: type[BaseException]) -> Iterator[Any]:
        before = world.app.orchestrator.count_invocations()
        with pytest.raises(error) as raised:
            yield raised
        assert world.app.orchestrator.count_invocations() == before == world.app.broker.count_invocations()

    return block
