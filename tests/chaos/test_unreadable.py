"""Damaged records, queued and claimed, under load: each ends, and no other invocation ends with it."""

from __future__ import annotations

import random
import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.chaos import Campaign, rounds
from support.servers import RedisServer, redis_server

from pynenc.exceptions import InvocationError, PynencError

Make = Callable[..., Campaign]

END_SEC = 60.0

WHAT = "record damaged, queued or claimed"

_DAMAGE = """
local raw, how, chance = redis.pcall('GET', KEYS[1]), ARGV[1], tonumber(ARGV[2])
if type(raw) ~= 'string' or (raw:byte() or 11) >= 11 then return 0 end
if how == 'type' then
  redis.call('DEL', KEYS[1])
  redis.call('RPUSH', KEYS[1], 'x')
  return 1
end
local left = ''
-- Cut within its history it can still be read, but for a part of that.
if how == 'cut' then left = raw:sub(1, chance % (55 + struct.unpack('>I4', raw, 52))) end
if how == 'zeros' then left = ('\\0'):rep(#raw) end
if how == 'status' then left = string.char(({ 0, 5, 7, 9, 15, 99, 255 })[chance % 7 + 1]) .. raw:sub(2) end
redis.call('SET', KEYS[1], left)
return 1
"""
"""Damage a record that has not ended."""

_COLUMNS = {
    "status": ["99", "-1", "15"],
    "depth": ["-1", "5000000000"],
    "retries": ["-1"],
    "recoveries": ["5000000000"],
    "task": ["CAST(x'ff' AS TEXT)"],
    "note": ["CAST(x'ff' AS TEXT)"],
    "parent": ["x'01'"],
}
"""Values that a row takes and that no release writes."""


def _in_redis(server: RedisServer, app_id: str, invocation_id: str, chance: random.Random) -> bool:
    key = f"{{{app_id}:0}}i:".encode() + uuid.UUID(invocation_id).bytes
    how = chance.choice(["cut", "emptied", "status", "type", "zeros"])
    return bool(server.ask("EVAL", _DAMAGE, "1", key, how, str(chance.randrange(1_000_000))) == 1)


def _in_sqlite(path: Path, invocation_id: str, chance: random.Random) -> bool:
    column = chance.choice(sorted(_COLUMNS))
    value = chance.choice(_COLUMNS[column])
    with sqlite3.connect(path, timeout=30) as db:
        sql = f"UPDATE invocation SET {column} = {value} WHERE id = ? AND place <> 0"
        changed = db.execute(sql, (uuid.UUID(invocation_id).bytes,)).rowcount
    db.close()
    return changed == 1


def _campaign(run: Campaign, damage: Callable[[str, random.Random], bool]) -> None:
    times = rounds(10, 100, 500)
    run.load()
    damaged: list[Any] = []
    while len(damaged) < times:
        # More than there are slots: some are claimed and some are queued when it comes.
        batch = list(run.jobs.basics.add.parallelize([(number, 1) for number in range(20)]).invocations)
        damaged += [one for one in batch if damage(one.invocation_id, run.chance)]
        run.await_progress(1)
        for one in batch:
            run.ledger.write(kind="acked", id=one.invocation_id)
            try:
                one.get_result(timeout=END_SEC)
            except TimeoutError as error:
                raise AssertionError(f"{one.invocation_id} neither ran nor was set aside") from error
            except (InvocationError, PynencError, TypeError):
                # A damaged record may contain other arguments, or another task.
                assert one in damaged
    run.finish(len(damaged))


def test_records_that_cannot_be_read_stop_no_runner_on_redis(campaign: Make) -> None:
    with redis_server() as server:
        run = campaign("E11 redis", WHAT, "server's memory (fast)", server.url)
        _campaign(run, lambda invocation_id, chance: _in_redis(server, run.jobs.app.app_id, invocation_id, chance))


def test_records_that_cannot_be_read_stop_no_runner_on_sqlite(campaign: Make, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    run = campaign("E11 sqlite", WHAT, "kill of the process", f"sqlite:///{path}")
    _campaign(run, lambda invocation_id, chance: _in_sqlite(path, invocation_id, chance))
