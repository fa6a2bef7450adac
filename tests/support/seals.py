"""Apps that sign, and attackers who have the store but no key."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from support.worlds import World, shared_redis

from pynenc import _core

OLD_KEY = "2026-01:0123456789abcdef0123456789abcdef"
NEW_KEY = "2026-07:fedcba9876543210fedcba9876543210"

PLANTED = b'\x01{"a":20,"b":22}'
"""Arguments of `basics.add` as an app without keys writes them."""


def sign(monkeypatch: pytest.MonkeyPatch, *keys: str, codec: str = "") -> None:
    """Have the apps of this test and of its children sign with the first of `keys`, and encode with `codec`."""
    monkeypatch.setenv("PYNENC__SIGNING_KEYS", ",".join(keys))
    if codec:
        monkeypatch.setenv("PYNENC__PAYLOAD_CODEC_CLS", codec)


def plant(app: Any, task: Any, payload: bytes) -> Any:
    """Put a call into the store as a producer without a key can; its invocation."""
    [(invocation_id, _)] = app._store.submit(_core.TaskSpec(str(task.task_id)), [(payload, "", None, None)])
    return app.state_backend.get_invocation(invocation_id)


def forge(app: Any, invocation: Any, outcome: int, payload: bytes) -> None:
    """End a queued invocation as a runner without a key can."""
    claims = app._store.claim("rogue", 100, begin=True)
    [claim] = [claim for claim in claims if claim.invocation_id == invocation.invocation_id]
    assert app._store.settle(claim.invocation_id, claim.fence, outcome, payload) == _core.DONE


def outcome_of(app: Any, invocation: Any) -> bytes:
    """The stored payload of a finished invocation."""
    terminal = app._store.terminals([str(invocation.invocation_id)])[0]
    assert terminal is not None
    assert terminal[2] is not None
    return bytes(terminal[2])


def rewrite(world: World, old: bytes, new: bytes) -> None:
    """Exchange a payload in the files or keys of a store of which there is exactly one, past all of our code."""
    assert len(old) == len(new)
    if world.store.name == "sqlite":
        _rewrite_sqlite(Path(os.environ["PYNENC__STORE_URL"].removeprefix("sqlite:///")), old, new)
    else:
        _rewrite_redis(str(world.app.app_id), old, new)


def _rewrite_sqlite(path: Path, old: bytes, new: bytes) -> None:
    connection = sqlite3.connect(path, timeout=30)
    try:
        changed = sum(
            connection.execute(f"UPDATE {table} SET payload = ? WHERE payload = ?", (new, old)).rowcount
            for table in ("arguments", "outcome")
        )
        connection.commit()
    finally:
        connection.close()
    assert changed == 1


def _rewrite_redis(app_id: str, old: bytes, new: bytes) -> None:
    server = shared_redis()
    changed = 0
    for key in server.ask("KEYS", f"{{{app_id}:*}}*"):
        if server.ask("TYPE", key) == "string":
            value = server.ask("GET", key)
            if old in value:
                server.ask("SET", key, value.replace(old, new), "KEEPTTL")
                changed += 1
    assert changed == 1
