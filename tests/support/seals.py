"""Apps that sign, and attackers with the store but without a key."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import xxhash
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
    [(invocation_id, _)] = app._runtime.store.submit(_core.TaskSpec(str(task.task_id)), [(payload, "", None, None)])
    return app.state_backend.get_invocation(invocation_id)


def forge(app: Any, invocation: Any, outcome: int, payload: bytes) -> None:
    """End a queued invocation as a runner without a key can."""
    claims = app._runtime.store.claim("rogue", 100, begin=True)
    [claim] = [claim for claim in claims if claim.invocation_id == invocation.invocation_id]
    assert app._runtime.store.settle(claim.invocation_id, claim.fence, outcome, payload) == _core.DONE


def outcome_of(app: Any, invocation: Any) -> bytes:
    """The stored payload of a finished invocation."""
    terminal = app._runtime.store.terminals([str(invocation.invocation_id)])[0]
    assert terminal is not None
    assert terminal[2] is not None
    return bytes(terminal[2])


def flipped(payload: bytes, random_: random.Random) -> bytes:
    """Return a payload with one flipped bit."""
    bit = random_.randrange(len(payload) * 8)
    changed = bytearray(payload)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def checksum(invocation_id: str, payload: bytes) -> bytes:
    """Return the checksum that Redis stores after a payload; computing it needs no key."""
    seed = 0
    for byte in uuid.UUID(invocation_id).bytes:
        seed = (seed * 0x0100_0000_01B3) % 2**64 ^ byte
    return (int(xxhash.xxh3_64_intdigest(payload, seed=seed)) % 2**32).to_bytes(4, "big")


Change = tuple[str, bytes, bytes]
"""The id of an invocation, one of its payloads, and the replacement."""


def rewrite(world: World, changes: Sequence[Change], with_checksums: bool = True) -> None:
    """Replace payloads in the file or the keys of a store without pynenc's code. Each old payload occurs once."""
    if world.store.name == "sqlite":
        _rewrite_sqlite(Path(os.environ["PYNENC__STORE_URL"].removeprefix("sqlite:///")), changes)
    else:
        _rewrite_redis(str(world.app.app_id), changes, with_checksums)


# In a separate process: two SQLite libraries in one process release each other's locks when they close a file.
_REWRITE = """
import json, sqlite3, sys

connection = sqlite3.connect(sys.argv[1], timeout=30)
for old, new in ((bytes.fromhex(old), bytes.fromhex(new)) for old, new in json.load(sys.stdin)):
    changed = sum(
        connection.execute(f"UPDATE {table} SET payload = ? WHERE payload = ?", (new, old)).rowcount
        for table in ("arguments", "outcome")
    )
    assert changed == 1
connection.commit()
connection.close()
"""


def _rewrite_sqlite(path: Path, changes: Sequence[Change]) -> None:
    text = json.dumps([(old.hex(), new.hex()) for _, old, new in changes])
    subprocess.run([sys.executable, "-c", _REWRITE, str(path)], input=text, text=True, check=True, timeout=60)


def _rewrite_redis(app_id: str, changes: Sequence[Change], with_checksums: bool) -> None:
    server = shared_redis()
    keys = [key for key in server.ask("KEYS", f"{{{app_id}:*}}*") if server.ask("TYPE", key) == "string"]
    values = {key: server.ask("GET", key) for key in keys}
    for invocation_id, old, new in changes:
        # A large payload has a separate key; the checksum of arguments stays in the record.
        own = [key for key in keys if key.endswith(uuid.UUID(invocation_id).bytes)]
        replaced = [_exchanged(values, own, old, new)]
        if with_checksums:
            replaced.append(_exchanged(values, own, checksum(invocation_id, old), checksum(invocation_id, new)))
        assert replaced == [1] * len(replaced)
        for key in own:
            server.ask("SET", key, values[key], "KEEPTTL")


def _exchanged(values: dict[bytes, bytes], keys: Sequence[bytes], old: bytes, new: bytes) -> int:
    count = sum(values[key].count(old) for key in keys)
    for key in keys:
        values[key] = values[key].replace(old, new)
    return count
