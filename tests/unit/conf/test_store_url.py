"""One URL names the store; the class names of pynenc's settings are accepted too."""

from __future__ import annotations

from typing import Any

import pytest

from pynenc import Pynenc
from pynenc.conf.config_pynenc import ConfigPynenc
from pynenc.conf.masking import masked_url
from pynenc.conf.store_url import COMPONENT_FIELDS, kind_of, resolve_store_url
from pynenc.exceptions import ConfigError


def _url(**values: Any) -> str:
    return resolve_store_url(ConfigPynenc(values))


@pytest.mark.parametrize(
    ("app_id", "file"),
    [
        ("shop", "shop.db"),
        ("shop 2.0_x-y@z+a=b,c", "shop 2.0_x-y@z+a=b,c.db"),
        ("what?", "what%3F.db"),
        ("50%#1", "50%25%231.db"),
        ("käse", "k%C3%A4se.db"),
        ("..", "...db"),
        ("a:b", "a%3Ab.db"),
    ],
)
def test_the_default_store_is_a_file_named_after_the_app(app_id: str, file: str) -> None:
    assert _url(app_id=app_id) == f"sqlite:///.pynenc/{file}"


@pytest.mark.parametrize(
    "url",
    [
        "memory://",
        "sqlite:///a.db",
        "sqlite:////a/b.db",
        "sqlite:///a b/c%20d.sqlite3",
        "redis://localhost",
        "rediss://me:secret@host:7000/3",
        "redis+unix:///run/redis.sock",
        "redis+sentinel://host:26379/main",
        "redis+cluster://host:7000",
    ],
)
def test_a_url_is_taken_as_it_is(url: str) -> None:
    assert _url(store_url=url) == url


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("unix:///run/redis.sock", "redis+unix:///run/redis.sock"),
        ("UNIX:///run/Redis.sock?db=1", "redis+unix:///run/Redis.sock?db=1"),
        ("REDIS://Host:7000/3", "redis://Host:7000/3"),
        ("Rediss+Sentinel://host/main", "rediss+sentinel://host/main"),
        ("  redis://host\n", "redis://host"),
        (" Memory:// ", "memory://"),
        ("SQLite:///a b.db", "sqlite:///a b.db"),
    ],
)
def test_a_store_url_may_be_spelled_in_several_ways(given: str, url: str) -> None:
    assert _url(store_url=given) == url
    if url.startswith("redis"):
        assert _url(broker_cls="RedisBroker", redis_url=given) == url


@pytest.mark.parametrize("field", ["store_url", "redis_url"])
@pytest.mark.parametrize("query", ["?ssl=true", "?db=1&SSL=false", "?tls=1"])
def test_a_parameter_for_tls_is_answered_with_the_scheme(field: str, query: str) -> None:
    with pytest.raises(ConfigError, match=rf"{field} has a parameter ssl or tls.*rediss://"):
        _url(broker_cls="RedisBroker", **{field: f"redis://:hunter2@host{query}"})


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("shop.db", "must be a URL"),
        ("memory:", "must be a URL"),
        ("memory://shop", "must not name anything behind memory://"),
        ("sqlite://", "must name a file behind sqlite:///"),
        ("sqlite:///", "must name a file behind sqlite:///"),
        ("sqlite://shop.db", "must name a file behind sqlite:///"),
        ("sqlite:///folder/", "must name a file behind sqlite:///"),
        ("sqlite:///a.db?mode=ro", "must name a file behind sqlite:///"),
        ("sqlite:///a.db#x", "must name a file behind sqlite:///"),
        ("sqlite:///a\0b", "must name a file behind sqlite:///"),
        ("postgres://host/db", "has the unknown scheme 'postgres'"),
        ("redis+udp://host", "has the unknown scheme 'redis+udp'"),
        ("://", "has an unknown scheme"),
    ],
)
def test_a_url_that_cannot_work_is_refused_with_what_can(url: str, reason: str) -> None:
    with pytest.raises(ConfigError) as raised:
        _url(store_url=url)
    message = str(raised.value)
    # Text that is no URL may be a password.
    shown = masked_url(url)
    got = "a text that is not shown, since it may hold a password" if shown is None else repr(shown)
    assert message.startswith(f"ConfigPynenc.store_url {reason}, got {got} (from config_values)")
    known = ("memory://", "sqlite:///folder/app.db", "sqlite:////absolute/app.db", "redis://host:port/db")
    assert all(form in message for form in known)


def test_the_password_in_a_refused_url_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__STORE_URL", "postgres://me:hunter/2@host/db")
    with pytest.raises(ConfigError, match=r"environment variable PYNENC__STORE_URL") as raised:
        _url()
    assert "hunter" not in str(raised.value)
    monkeypatch.setenv("PYNENC__STORE_URL", "postgres://me:hunter%2F2@host/db")
    with pytest.raises(ConfigError, match=r"'postgres://me:\*\*\*@host/db'"):
        _url()


@pytest.mark.parametrize("field", COMPONENT_FIELDS)
@pytest.mark.parametrize(
    ("prefix", "url"),
    [("Mem", "memory://"), ("SQLite", "sqlite:///.pynenc/shop.db"), ("Redis", "redis://localhost:6379/0")],
)
def test_a_single_class_name_chooses_the_store(field: str, prefix: str, url: str) -> None:
    suffix = {"orchestrator_cls": "Orchestrator", "broker_cls": "Broker", "state_backend_cls": "StateBackend"}[field]
    assert _url(app_id="shop", **{field: prefix + suffix}) == url


def test_class_names_of_your_own_choose_nothing() -> None:
    assert _url(app_id="shop", broker_cls="LoudBroker") == "sqlite:///.pynenc/shop.db"
    assert _url(broker_cls="LoudBroker", orchestrator_cls="MemOrchestrator") == "memory://"


def test_class_names_of_different_stores_are_refused_with_their_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__BROKER_CLS", "RedisBroker")
    with pytest.raises(ConfigError) as raised:
        _url(orchestrator_cls="MemOrchestrator", state_backend_cls="MemStateBackend")
    assert "orchestrator_cls='MemOrchestrator' (from config_values)" in str(raised.value)
    assert "broker_cls='RedisBroker' (from environment variable PYNENC__BROKER_CLS)" in str(raised.value)


def test_a_url_wins_over_class_names_and_every_other_setting() -> None:
    values = {"broker_cls": "MemBroker", "orchestrator_cls": "RedisOrchestrator", "sqlite_db_path": "a.db"}
    assert _url(store_url="sqlite:///b.db", **values) == "sqlite:///b.db"


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({"sqlite_db_path": "a.db"}, "sqlite:///a.db"),
        ({"sqlite_db_path": "/a/b.db"}, "sqlite:////a/b.db"),
        ({"sqlite_db_path": "a.db", "broker_cls": "SQLiteBroker"}, "sqlite:///a.db"),
        ({"sqlite_db_path": "a.db", "broker_cls": "MemBroker"}, "memory://"),
        ({"sqlite": {"sqlite_db_path": "a.db"}}, "sqlite:///a.db"),
    ],
    ids=str,
)
def test_the_file_of_sqlite_may_be_named_by_its_path(values: dict[str, Any], url: str) -> None:
    assert _url(**values) == url


@pytest.mark.parametrize("path", ["a?b", "a#b", "folder/", "a\0b"])
def test_a_path_that_names_no_file_is_refused_with_its_setting(path: str) -> None:
    with pytest.raises(ConfigError) as raised:
        _url(sqlite_db_path=path)
    assert str(raised.value).startswith("ConfigPynenc.sqlite_db_path must name a file")
    assert f"got {path!r} (from config_values)" in str(raised.value)


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({"redis_host": "cache", "redis_port": 7000, "redis_db": 3}, "redis://cache:7000/3"),
        ({"redis_username": "me", "redis_password": "p@s:s/w"}, "redis://me:p%40s%3As%2Fw@localhost:6379/0"),
        ({"redis_password": "secret"}, "redis://:secret@localhost:6379/0"),
        ({"redis_username": "a@b"}, "redis://a%40b@localhost:6379/0"),
        ({"redis_url": "rediss://cache/1", "redis_host": "ignored"}, "rediss://cache/1"),
        ({"redis": {"redis_host": "cache"}}, "redis://cache:6379/0"),
    ],
    ids=str,
)
def test_redis_is_named_by_its_parts_or_by_a_url(values: dict[str, Any], url: str) -> None:
    assert _url(orchestrator_cls="RedisOrchestrator", **values) == url


@pytest.mark.parametrize("url", ["localhost:6379", "http://me:hunter2@host", "redis:/host"])
def test_a_redis_url_of_another_kind_is_refused_with_its_setting(url: str) -> None:
    app = Pynenc("shop", {"broker_cls": "RedisBroker", "redis_url": url})
    with pytest.raises(ConfigError, match=r"ConfigPynenc\.redis_url must begin with redis://") as raised:
        _ = app.orchestrator
    assert "hunter2" not in str(raised.value)
    assert str(raised.value).endswith("(from config_values)")


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory://", "memory"),
        ("sqlite:///a.db", "sqlite"),
        ("redis://h", "redis"),
        ("rediss://h", "redis"),
        ("redis+cluster://h", "redis"),
    ],
)
def test_the_kind_is_what_the_scheme_says(url: str, kind: str) -> None:
    assert kind_of(url) == kind


def test_the_store_that_the_settings_name_is_the_one_that_is_opened() -> None:
    assert Pynenc("one", {"broker_cls": "MemBroker"})._runtime.store.kind == "memory"
    app = Pynenc("two", {"sqlite_db_path": "here.db"})
    assert app._runtime.store.kind == "sqlite"
    app._runtime.store.close()


@pytest.mark.parametrize("sign", list(":*?[]^"))
@pytest.mark.parametrize("values", [{"store_url": "redis://localhost"}, {"broker_cls": "RedisBroker"}])
def test_an_app_id_that_key_patterns_would_misread_is_refused_in_redis(sign: str, values: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"ConfigPynenc\.app_id must not hold .* choose another app_id") as caught:
        _url(app_id=f"shop{sign}eu", **values)
    assert f"'shop{sign}eu' (from config_values)" in str(caught.value)
