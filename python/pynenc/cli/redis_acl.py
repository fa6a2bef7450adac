"""`pynenc redis acl`: print users of one app for a Redis server, each with the least rights of its role."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import secrets
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pynenc.conf.store_url import check_redis_app_id

DEFAULT_OFF = "user default off"
"""Without this line `ACL LOAD` creates a `default` user that needs no password and may do everything."""

_SHARD_DIGITS = 4
"""Maximum number of digits of a shard's number."""

_CONNECT = "hello auth ping select info role asking cluster|slots"
_READ = "get mget hget hgetall"
_SCRIPTS = (
    "evalsha eval wait ssubscribe spublish mset time exists hset hlen hmget hsetnx hincrby zcard scard "
    "strlen sismember set setrange getrange zadd zrem zrange zpopmax sadd smembers del llen rpush pexpire persist "
    "lindex zcount"
)
_RUNNER = "lrem zscore hdel srem zrangebyscore lrange ltrim"
_LOOK = (
    "type pttl memory|usage latency|latest latency|history latency|doctor client|list client|kill acl|log script|kill"
)


@dataclass(frozen=True)
class Role:
    """The rights of a role: its commands, and its keys and channels after the prefix of a shard."""

    commands: str
    keys: str = "*"
    key_sign: str = "~"
    channels: bool = True


ROLES = {
    "producer": Role(f"{_CONNECT} {_READ} {_SCRIPTS}", keys="[^lw]*"),
    "worker": Role(f"{_CONNECT} {_READ} {_SCRIPTS} {_RUNNER}"),
    "monitor": Role(f"{_CONNECT} {_READ} zrange", key_sign="%R~", channels=False),
    "admin": Role(f"{_CONNECT} {_READ} {_SCRIPTS} {_RUNNER} {_LOOK}"),
}


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "redis", help="prepare a Redis server", description="Prepare a Redis server for an app. Needs no app."
    )
    actions = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    acl = actions.add_parser(
        "acl",
        help="print users with the least rights",
        description="Print one ACL line per role, for the server's aclfile or for ACL SETUSER. The lines contain "
        "passwords as SHA-256 hashes only.",
        epilog="The command reads a password from the environment, PYNENC_ACL_PASSWORD_<ROLE>, or the first line of "
        "the file that PYNENC_ACL_PASSWORD_<ROLE>_FILE names. Otherwise it prints a generated one to stderr, once.",
    )
    acl.add_argument("--app-id", metavar="ID", required=True, help="the app whose keys these users may reach")
    acl.add_argument(
        "--role", choices=tuple(ROLES), action="append", help="only this role; may be repeated (default: all)"
    )
    acl.add_argument("--json", action="store_true", help="print the users as JSON instead of ACL lines")
    acl.add_argument(
        "--fsync", action="store_true", help="add WAITAOF, which durability=fsync needs (Redis 7.2 or newer)"
    )
    acl.add_argument(
        "--passwords", metavar="FILE", type=Path, help="write generated passwords to this new file, mode 0600"
    )
    acl.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the users; return 0.

    Raises:
        ValueError: the app id cannot be part of a pattern, or a given password is empty or too short.
        OSError: a file of a password cannot be read, or `--passwords` exists or cannot be written.
    """
    app_id: str = arguments.app_id
    roles: Sequence[str] = list(dict.fromkeys(arguments.role or ROLES))
    checked(app_id)
    given = {role: _given_password(role) for role in roles}
    made = {role: secrets.token_urlsafe(32) for role in roles if given[role] is None}
    rules = {role: rules_of(role, app_id, password=given[role] or made[role], fsync=arguments.fsync) for role in roles}
    # The hashes are useless without the passwords, so a failure must come before the lines are printed.
    _hand_out({user_of(role, app_id): password for role, password in made.items()}, arguments.passwords)
    if arguments.json:
        users = [{"user": "default", "rules": ["off"]}]
        users += [{"user": user_of(role, app_id), "rules": words} for role, words in rules.items()]
        print(json.dumps(users, indent=2))
    else:
        print(DEFAULT_OFF)
        for role, words in rules.items():
            print("user", user_of(role, app_id), *words)
    return 0


def user_of(role: str, app_id: str) -> str:
    """Return the name of the user of a role. It contains the app id, because apps may share a server."""
    return f"pynenc-{role}-{app_id}"


def rules_of(role: str, app_id: str, *, password: str | None = None, fsync: bool = False) -> list[str]:
    """Return the words of `ACL SETUSER` after the user's name. `reset` comes first and removes all earlier rights."""
    found = ROLES[role]
    words = ["reset", "on"]
    if password is not None:
        words.append("#" + hashlib.sha256(password.encode()).hexdigest())
    words += [f"{found.key_sign}{prefix}{found.keys}" for prefix in _prefixes(app_id)]
    words += [f"&{prefix}*" for prefix in _prefixes(app_id) if found.channels]
    words.append("-@all")
    words += [f"+{command}" for command in found.commands.split()]
    if fsync and found.channels:
        words.append("+waitaof")
    return words


def _prefixes(app_id: str) -> Iterator[str]:
    """Yield a prefix per number of digits: a pattern `{shop:*` would match the keys of an app `shop:eu` too."""
    for digits in range(1, _SHARD_DIGITS + 1):
        yield f"{{{app_id}:{'[0-9]' * digits}}}"


def checked(app_id: str) -> None:
    """Raise `ValueError` for an app id that an ACL pattern cannot name."""
    wrong = check_redis_app_id(app_id)
    if wrong is None and re.search(r"\s", app_id):
        wrong = "must not hold white space, which ACL patterns cannot express"
    if wrong is not None:
        raise ValueError(f"--app-id {wrong}, got {app_id!r}: choose another app_id for the app")


def _given_password(role: str) -> str | None:
    variable = f"PYNENC_ACL_PASSWORD_{role.upper()}"
    password, source = os.environ.get(variable), variable
    file = os.environ.get(f"{variable}_FILE")
    if password is None and file:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
        password, source = (lines[0] if lines else ""), f"file {file} ({variable}_FILE)"
    if password is not None and len(password) < 16:
        raise ValueError(
            f"the password of role {role} (from {source}) must have at least 16 characters: ACL files hold passwords "
            "as plain SHA-256, in which short ones are found by trying"
        )
    return password


def _hand_out(passwords: dict[str, str], file: Path | None) -> None:
    """Write generated passwords to the file, or once to stderr."""
    if not passwords:
        return
    text = "".join(f"{user} {password}\n" for user, password in passwords.items())
    if file is None:
        sys.stderr.write(f"passwords, shown only this once:\n{text}")
        return
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as sink:
        sink.write(text)
