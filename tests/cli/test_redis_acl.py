"""`pynenc redis acl`: its output, and the effect of its output on a server."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.servers import RedisServer, ServerError, server_folder

from pynenc.cli.main import main
from pynenc.cli.redis_acl import ROLES, rules_of, user_of

ACL_FILES = Path(__file__).resolve().parents[2] / "rust" / "stores" / "redis" / "acl"
GIVEN = "a-given-password-of-the-tests"


def _printed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[list[str], dict[str, str]]:
    """The lines, and the passwords that were shown."""
    assert main(["redis", "acl", *words]) == 0
    out, err = capsys.readouterr()
    return out.splitlines(), dict(line.split() for line in err.splitlines()[1:])


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server that had a password before it had users."""
    with server_folder() as folder:
        (folder / "users.acl").touch()
        made = RedisServer(folder, "--aclfile", str(folder / "users.acl"))
        made.ask("CONFIG", "SET", "requirepass", "the-old-one")
        yield made
        made.kill()


def _refusal(server: RedisServer, user: str, password: str, *words: str) -> str:
    """Return the server's refusal; empty if it accepts the command."""
    try:
        server.ask_as(user, password, *words)
    except ServerError as error:
        return str(error).split()[0]
    return ""


def test_the_shipped_files_are_what_the_command_prints_without_a_password() -> None:
    for role in ROLES:
        line = " ".join(["user", user_of(role, "app"), *rules_of(role, "app")])
        assert (ACL_FILES / f"{role}.acl").read_text() == line + "\n", f"{role}.acl: write {line!r}"
    assert len(list(ACL_FILES.glob("*.acl"))) == len(ROLES)


def test_a_role_has_its_own_password_printed_apart_from_its_hash(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines, passwords = _printed(capsys, "--app-id", "shop")
    assert lines[0] == "user default off"
    assert [line.split()[1] for line in lines[1:]] == list(passwords) == [user_of(role, "shop") for role in ROLES]
    assert len(set(passwords.values())) == len(ROLES)
    for line in lines[1:]:
        _, user, first, on, password, *rules = line.split()
        assert (first, on) == ("reset", "on")
        assert password == "#" + hashlib.sha256(passwords[user].encode()).hexdigest()
        assert "-@all" in rules
        assert not any(rule.startswith(("+config", "+slowlog", "+@", "+keys", "+scan", "+flush")) for rule in rules)
        assert not any("{shop:*" in rule for rule in rules)
    assert not any(password in "\n".join(lines) for password in passwords.values())


def test_a_password_may_come_from_the_environment_or_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(GIVEN + "&/#\n")
    monkeypatch.setenv("PYNENC_ACL_PASSWORD_WORKER", GIVEN)
    monkeypatch.setenv("PYNENC_ACL_PASSWORD_PRODUCER_FILE", str(tmp_path / "secret"))
    lines, passwords = _printed(capsys, "--app-id", "shop", "--role", "worker", "--role", "producer")
    assert passwords == {}
    hashes = ["#" + hashlib.sha256(text.encode()).hexdigest() for text in (GIVEN, GIVEN + "&/#")]
    assert [line.split()[4] for line in lines[1:]] == hashes


@pytest.mark.parametrize("given", ["", "sh0rt"])
def test_a_password_that_can_be_found_by_trying_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("PYNENC_ACL_PASSWORD_WORKER", given)
    assert main(["redis", "acl", "--app-id", "shop", "--role", "worker"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "PYNENC_ACL_PASSWORD_WORKER" in err
    assert not given or given not in err


def test_generated_passwords_go_to_a_new_file_that_only_its_owner_reads(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "passwords"
    old = os.umask(0)
    try:
        assert _printed(capsys, "--app-id", "shop", "--passwords", str(file))[1] == {}
    finally:
        os.umask(old)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_text()
    assert len(before.splitlines()) == len(ROLES)
    assert main(["redis", "acl", "--app-id", "shop", "--passwords", str(file)]) == 1
    out, err = capsys.readouterr()
    assert (out, file.read_text()) == ("", before), "lines without their passwords are of no use"
    assert str(file) in err


@pytest.mark.parametrize("app_id", ["shop:eu", "sh*p", "sh?p", "[shop]", "^", "sh\\op", "sh op", "", "{shop}"])
def test_an_app_id_that_a_pattern_would_misread_is_refused(app_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["redis", "acl", "--app-id", app_id]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert repr(app_id) in err


def test_json_says_the_same(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC_ACL_PASSWORD_MONITOR", GIVEN)
    words = ("--app-id", "shop", "--role", "monitor")
    lines, _ = _printed(capsys, *words)
    text, _ = _printed(capsys, *words, "--json")
    users: list[dict[str, Any]] = json.loads("\n".join(text))
    assert [" ".join(["user", each["user"], *each["rules"]]) for each in users] == lines


def test_a_server_that_loads_the_lines_lets_in_nobody_else(
    server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    lines, passwords = _printed(capsys, "--app-id", "shop")
    operator = "user operator reset on >" + GIVEN + " ~* &* +@all"
    (server.folder / "users.acl").write_text("\n".join([*lines, operator]) + "\n")
    server.ask_as("default", "the-old-one", "ACL", "LOAD")
    with pytest.raises(ServerError, match="NOAUTH"):
        server.ask("PING")
    for password in ("the-old-one", "", "anything"):
        assert _refusal(server, "default", password, "PING") == "WRONGPASS"
    for user, password in passwords.items():
        assert server.ask_as(user, password, "GET", "{shop:12}i:1") is None
        for other in ("{shopping:0}i:1", "{shop:eu:0}i:1", "{shop:12345}i:1", "{shop:0", "shop"):
            assert _refusal(server, user, password, "GET", other) == "NOPERM"
            assert _refusal(server, user, password, "DEL", other) == "NOPERM"
    worker = user_of("worker", "shop")
    assert _refusal(server, worker, passwords[user_of("admin", "shop")], "PING") == "WRONGPASS"


def test_rotation_ends_the_old_password_and_what_the_user_could_do_before(
    server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    user = user_of("worker", "shop")
    login = ("default", "the-old-one")
    server.ask_as(*login, "ACL", "SETUSER", user, "on", ">old", "~{shop:*", "~stray", "&*", "+@all")
    assert _refusal(server, user, "old", "GET", "stray") == ""
    lines, passwords = _printed(capsys, "--app-id", "shop", "--role", "worker")
    server.ask_as(*login, "ACL", "SETUSER", *lines[1].split()[1:])
    assert _refusal(server, user, "old", "PING") == "WRONGPASS"
    assert _refusal(server, user, passwords[user], "GET", "stray") == "NOPERM"
    assert _refusal(server, user, passwords[user], "CONFIG", "GET", "requirepass") == "NOPERM"


def test_a_server_without_waitaof_is_not_asked_to_know_it(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--app-id", "shop", "--role", "worker")
    assert "+waitaof" not in _printed(capsys, *words)[0][1].split()
    assert "+waitaof" in _printed(capsys, *words, "--fsync")[0][1].split()
