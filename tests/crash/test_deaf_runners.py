"""One verb of the store fails for good while all others work: a runner of any kind logs the reason and ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.servers import RedisServer, redis_server
from support.waiting import wait_until
from support.worlds import RUNNERS, RunnerKind, StoreKind, World, load_jobs, set_environment

from pynenc.exceptions import StateBackendError

DEAF_AFTER_SEC = 2
PATIENCE_SEC = 60.0


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[RedisServer]:
    with redis_server() as own:
        set_environment(monkeypatch, tmp_path, StoreKind("redis", lambda folder: own.url, shared=True))
        monkeypatch.setenv("PYNENC__LEASE_SEC", "1")
        monkeypatch.setenv("PYNENC__STORE_DEAF_AFTER_SEC", str(DEAF_AFTER_SEC))
        yield own


@pytest.fixture(params=RUNNERS, ids=lambda kind: kind.name)
def world(server: RedisServer, request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(StoreKind("redis", lambda folder: server.url, shared=True), request.param, load_jobs())
    try:
        yield made
    finally:
        made.stop()


def _end_of(world: World) -> str:
    """Why the runner ended by itself."""
    wait_until(lambda: bool(world.errors), "the runner ends", PATIENCE_SEC)
    return str(world.errors[0])


def _block_claims(server: RedisServer, app: Any) -> None:
    """A key of scheduled work with a wrong type: submitting work that is due at once never reads this key."""
    server.command("SET", f"{{{app.app_id}:0}}s:default", "planted")


def _deny_claims(server: RedisServer, app: Any) -> None:
    """Take the right to the same key from the user as whom everybody has logged in."""
    server.command("ACL", "SETUSER", "default", "resetkeys", f"~{{{app.app_id}:0}}[^s]*")


@pytest.mark.parametrize(
    ("block", "what"), [(_block_claims, "WRONGTYPE"), (_deny_claims, "ACL")], ids=["wrong type", "denied"]
)
def test_a_runner_whose_claims_alone_fail_ends_with_the_reason(
    world: World, server: RedisServer, block: Callable[[RedisServer, Any], None], what: str
) -> None:
    world.start()
    assert world.jobs.basics.add(1, 2).get_result(timeout=PATIENCE_SEC) == 3
    block(server, world.app)
    assert str(world.jobs.basics.add(1, 2).status) == "registered", "submissions are accepted as before"
    reason = _end_of(world)
    # A user's loop raises the exception of its claim; the runners of the engine raise at the limit.
    assert "store_deaf_after_sec" in reason or what in reason, reason


def test_a_loop_that_swallows_the_errors_of_its_claims_is_ended_all_the_same(
    server: RedisServer, request: pytest.FixtureRequest
) -> None:
    kind = next(kind for kind in RUNNERS if kind.name == "user")

    def make(app: Any, slots: int) -> Any:
        runner = kind.make(app, slots)
        loop = runner.runner_loop_iteration
        pause = threading.Event()

        def swallow() -> None:
            try:
                loop()
            except StateBackendError:
                pause.wait(0.05)

        runner.runner_loop_iteration = swallow
        return runner

    world = World(
        StoreKind("redis", lambda folder: server.url, shared=True), RunnerKind("user", make, True), load_jobs()
    )
    try:
        world.start()
        _block_claims(server, world.app)
        world.jobs.basics.add(1, 2)
        assert "store_deaf_after_sec" in _end_of(world)
    finally:
        world.stop()
