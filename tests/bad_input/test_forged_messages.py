"""A waiting client refuses forged outcomes of a publisher without a key, and may continue to wait."""

from __future__ import annotations

import struct
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.seals import NEW_KEY, checksum, outcome_of, sign
from support.waiting import wait_until
from support.worlds import RUNNERS, STORES, World, make_world, shared_redis

from pynenc.exceptions import InvocationTimeoutError, SignatureError

SUCCESS, FAILED = 11, 12
"""Numbers of these statuses in messages."""

PAYLOAD = 1
"""Of an outcome in a message: the value or the exception follows, not a reason in words."""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """An app on Redis that signs, and a ThreadRunner that the test may start."""
    sign(monkeypatch, NEW_KEY)
    world = make_world(next(kind for kind in STORES if kind.name == "redis"), RUNNERS[0], monkeypatch, tmp_path)
    yield world
    world.close()


def _publish(app: Any, invocation_id: str, status: int, payload: bytes) -> bool:
    """Publish to every process of the app that an invocation has ended; return whether a process received it."""
    message = b"F" + uuid.UUID(invocation_id).bytes + struct.pack(">BBI", status, PAYLOAD, len(payload)) + payload
    server = shared_redis()
    channels = server.ask("PUBSUB", "SHARDCHANNELS", f"{{{app.app_id}:*}}*")
    return sum(server.ask("SPUBLISH", channel, message) for channel in channels if not channel.endswith(b"*")) > 0


@pytest.mark.parametrize("status", [SUCCESS, FAILED])
@pytest.mark.parametrize(
    ("forged", "sealed", "refusal", "patience_sec"),
    [
        ("plain", True, SignatureError, 60),
        ("copied", True, SignatureError, 60),
        ("cut", True, SignatureError, 60),
        # A message with a wrong checksum is ignored, so the wait continues.
        ("copied", False, InvocationTimeoutError, 3),
    ],
    ids=["plain", "copied", "cut", "wrong checksum"],
)
def test_a_forged_message_does_not_pass_for_an_outcome(
    world: World, status: int, forged: str, sealed: bool, refusal: type[Exception], patience_sec: float
) -> None:
    app, add = world.app, world.jobs.basics.add
    world.start(slots=1)
    genuine = add(1, 2)
    assert genuine.result == 3
    copied = outcome_of(app, genuine)
    world.stop()
    payload = {"plain": b"\x0142", "copied": copied, "cut": copied[:20]}[forged]

    victim, raised = add(20, 22), []

    def wait() -> None:
        try:
            victim.get_result(timeout=patience_sec)
        except Exception as error:
            raised.append(error)

    victim_id = str(victim.invocation_id)
    payload += checksum(victim_id if sealed else str(genuine.invocation_id), payload)
    waiting = threading.Thread(target=wait)
    waiting.start()
    wait_until(lambda: _publish(app, victim_id, status, payload), "a process that hears the message")
    waiting.join(60)
    assert [type(error) for error in raised] == [refusal]
    world.start(slots=1)
    assert victim.get_result(timeout=60) == 42, "the same handle asks again"
