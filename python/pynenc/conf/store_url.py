"""Choose the store of an app: by one URL, or by the class names in pynenc's settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from pynenc.conf.masking import masked_url
from pynenc.conf.working_folder import below
from pynenc.exceptions import ConfigError

if TYPE_CHECKING:
    from pynenc.conf.config_pynenc import ConfigPynenc

COMPONENT_FIELDS = ("orchestrator_cls", "broker_cls", "state_backend_cls")
STORE_FIELDS = frozenset(
    {"store_url", "sqlite_db_path", "redis_url", "redis_host", "redis_port", "redis_db", *COMPONENT_FIELDS}
)
"""The settings that name the location of the store."""
_PREFIXES = {"Mem": "memory", "SQLite": "sqlite", "Redis": "redis"}
_PLACE_FIELDS = {"sqlite": "sqlite_db_path", "redis": "redis_url"}
CLASS_PREFIX = {kind: prefix for prefix, kind in _PREFIXES.items()}
"""The prefix of the names of views by kind of store: `MemBroker`, `SQLiteBroker`, …"""
_FILE = re.compile(r"[^?#\x00]*[^/?#\x00]")
_NOT_IN_REDIS_APP_ID = ":*?[]^\\"
_REDIS = re.compile(r"rediss?(\+(unix|sentinel|cluster))?://")
_SSL = re.compile(r"[?&](ssl|tls)=", re.IGNORECASE)


def resolve_store_url(conf: ConfigPynenc) -> str:
    """Return the URL of the store: `store_url`, else the store of the class names, else the default SQLite file.

    A stronger source overrides a weaker `store_url`: class names, `sqlite_db_path` if `store_url` names a SQLite file,
    and `redis_url` if it names a Redis server.

    A relative path is relative to the working folder at the creation of the app, so the app keeps its store when the
    process changes its working folder.

    Raises:
        ConfigError: the URL has no known form, or the class names are of different stores.
    """
    return _absolute(_resolve(conf), conf.__dict__.get("_folder", ""))


def is_default_file(conf: ConfigPynenc) -> bool:
    """Return whether the store is the default SQLite file in the working folder. Raises like `resolve_store_url`."""
    return not conf.store_url and _resolve(conf) == _default_url(conf)


def _default_url(conf: ConfigPynenc) -> str:
    return f"sqlite:///.pynenc/{_file_name(conf.app_id)}.db"


def _absolute(url: str, folder: str) -> str:
    """Return the URL of a SQLite file with its path below `folder`, unless it is absolute already."""
    scheme, _, path = url.partition(":///")
    # Opening the store refuses an in-memory database of SQLite.
    if scheme != "sqlite" or path == ":memory:":
        return url
    return f"sqlite:///{below(folder, path)}"


def _resolve(conf: ConfigPynenc) -> str:
    url = conf.store_url and check_store_url(conf.store_url, conf.source_of("store_url"))
    kind = kind_of(url) if url else None
    by_names = _kind_by_class_names(conf, stronger_than=conf.strength_of("store_url") if url else None)
    if by_names is not None and by_names != kind:
        url, kind = "", by_names
    elif url and _outranked(conf, kind):
        url = ""
    if url:
        if kind == "redis":
            _check_app_id(conf)
        return url
    if kind == "memory":
        return "memory://"
    if kind == "redis":
        _check_app_id(conf)
        return _redis_url(conf)
    if conf.sqlite_db_path:
        return sqlite_url(conf.sqlite_db_path, conf.source_of("sqlite_db_path"))
    return _default_url(conf)


def _outranked(conf: ConfigPynenc, kind: str | None) -> bool:
    """Return whether a stronger source than that of `store_url` names the location of a store of this kind."""
    field = _PLACE_FIELDS.get(kind or "", "")
    return bool(field and getattr(conf, field)) and conf.strength_of(field) > conf.strength_of("store_url")


def check_store_url(url: str, source: str) -> str:
    """Return the URL in its usual spelling. Raises `ConfigError` for an unknown form."""
    url = _usual_spelling(url)

    def wrong(why: str) -> ConfigError:
        return ConfigError(
            f"ConfigPynenc.store_url {why}, got {_shown(url)} (from {source}); known are memory://, "
            "sqlite:///folder/app.db, sqlite:////absolute/app.db, redis://host:port/db (also rediss://), "
            "redis+unix://, redis+sentinel:// and redis+cluster://"
        )

    scheme, separator, rest = url.partition("://")
    if not separator:
        raise wrong("must be a URL")
    if scheme == "memory":
        if rest:
            raise wrong("must not name anything behind memory://")
    elif scheme == "sqlite":
        if not rest.startswith("/") or not _FILE.fullmatch(rest[1:]):
            raise wrong("must name a file behind sqlite:///")
    elif not _REDIS.match(url):
        raise wrong("has an unknown scheme" if masked_url(url) is None else f"has the unknown scheme {scheme!r}")
    else:
        _refuse_ssl(url, "store_url", source)
    return url


def _usual_spelling(url: str) -> str:
    """Return the URL without surrounding blanks and with a lower-case scheme; `unix://` is a socket of Redis."""
    url = url.strip()
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    return f"{'redis+unix' if scheme == 'unix' else scheme}{separator}{rest}" if separator else url


def _refuse_ssl(url: str, field: str, source: str) -> None:
    """Refuse the parameter that requests TLS in other clients; here the scheme requests it."""
    if _SSL.search(url):
        raise ConfigError(
            f"ConfigPynenc.{field} has a parameter ssl or tls, got {_shown(url)} (from {source}): for TLS write "
            "rediss:// instead of redis://, and leave the parameter out"
        )


def _shown(url: str) -> str:
    """Return a refused URL for an error. Text that is no URL is hidden: it may be a password."""
    shown = masked_url(url)
    return "a text that is not shown, since it may hold a password" if shown is None else repr(shown)


def check_redis_app_id(app_id: str) -> str | None:
    """Return the fault of an app id in Redis as `must …`; None for a valid id.

    The id is part of each key, and of the patterns that restrict users of the server to the keys of their app.
    """
    if not app_id or any(sign in app_id for sign in "{}"):
        return "must not be empty nor hold { or }"
    if any(sign in app_id for sign in _NOT_IN_REDIS_APP_ID):
        return f"must not hold any of {' '.join(_NOT_IN_REDIS_APP_ID)} in a Redis store"
    return None


def _check_app_id(conf: ConfigPynenc) -> None:
    wrong = check_redis_app_id(conf.app_id)
    if wrong is not None:
        raise ConfigError(
            f"ConfigPynenc.app_id {wrong}, got {conf.app_id!r} (from {conf.source_of('app_id')}): key patterns of "
            "Redis users would reach the keys of other apps; choose another app_id"
        )


def _kind_by_class_names(conf: ConfigPynenc, stronger_than: int | None = None) -> str | None:
    """Return the kind of store that the names of the component classes imply; None if they imply none.

    Args:
        stronger_than: count only the names from sources that are stronger than this.
    """
    kinds: dict[str, str] = {}
    for field in COMPONENT_FIELDS:
        name: str = getattr(conf, field)
        if stronger_than is not None and conf.strength_of(field) <= stronger_than:
            continue
        for prefix, kind in _PREFIXES.items():
            if name.startswith(prefix):
                kinds.setdefault(kind, f"{field}={name!r} (from {conf.source_of(field)})")
    if len(kinds) > 1:
        raise ConfigError(
            f"the component classes belong to different stores: {' and '.join(kinds.values())}; an app has one store, "
            "so name classes of one kind, or set store_url"
        )
    return next(iter(kinds), None)


def sqlite_url(path: str, source: str) -> str:
    """Return the URL of a SQLite file. Raises `ConfigError` for an invalid path."""
    if not _FILE.fullmatch(path):
        raise ConfigError(
            f"ConfigPynenc.sqlite_db_path must name a file, and ? and # are not allowed, got {path!r} (from {source})"
        )
    return f"sqlite:///{path}"


def check_redis_url(url: str, source: str) -> str:
    """Return the URL in its usual spelling. Raises `ConfigError` if it names no Redis server."""
    url = _usual_spelling(url)
    if not _REDIS.match(url):
        raise ConfigError(
            "ConfigPynenc.redis_url must begin with redis://, rediss:// or another redis scheme, "
            f"got {_shown(url)} (from {source})"
        )
    _refuse_ssl(url, "redis_url", source)
    return url


def _redis_url(conf: ConfigPynenc) -> str:
    url = conf.redis_url
    if url:
        return check_redis_url(url, conf.source_of("redis_url"))
    login = quote(conf.redis_username, safe="")
    if conf.redis_password:
        login += ":" + quote(conf.redis_password, safe="")
    return f"redis://{login + '@' if login else ''}{conf.redis_host}:{conf.redis_port}/{conf.redis_db}"


def _file_name(app_id: str) -> str:
    """Return an app id as part of a file name, with special characters of paths escaped."""
    return quote(app_id, safe=" -_.@+=,")


def kind_of(url: str) -> str:
    """Return the kind of store of a URL: `memory`, `sqlite` or `redis`."""
    scheme = urlsplit(url).scheme
    return "redis" if scheme.startswith("redis") else scheme
