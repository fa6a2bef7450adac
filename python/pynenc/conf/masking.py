"""Show settings without their secrets: URLs without passwords, mappings without secret values.

A URL is masked by parsing it. A text that does not parse may contain a secret anywhere, so no part of it is shown.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"
"""The text that replaces a secret."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@]*)(:[0-9]{1,5})?")
_PATHS = {"": re.compile(r"[0-9]*"), "+cluster": re.compile(r"[0-9]*"), "+sentinel": re.compile(r"[^/]*(/[0-9]*)?")}
"""The part of Redis URLs after the host; any other text may be the end of a password."""
_NOT_PRINTED = re.compile(r"[\x00-\x1f\x7f]")
_HARMLESS_PARAMETERS = frozenset({"db", "ca_cert", "client_cert", "client_key", "sentinel_user"})
_SECRET_WORDS = re.compile(r"password|passwd|passphrase|secret|token|credential|signing_key", re.IGNORECASE)

_secret_settings: set[str] = set()
_url_settings: set[str] = set()


def register(name: str, *, secret: bool, url: bool) -> None:
    """Record the declaration of a setting, which decides how values under its name are shown."""
    if secret:
        _secret_settings.add(name)
    if url:
        _url_settings.add(name)


def is_secret(name: object) -> bool:
    """Return whether values under this name are never shown."""
    return isinstance(name, str) and (name in _secret_settings or _SECRET_WORDS.search(name) is not None)


def masked_url(text: str, hidden: str = HIDDEN) -> str | None:
    """Return a URL with `hidden` in place of each secret; None for a text that is no URL.

    Values of unknown query parameters, and fragments, count as secrets: they may begin with an unescaped `?`, `&` or
    `#` of a password. A password with an unescaped `/` leaves an `@` after the host, which no valid URL has.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme) or _NOT_PRINTED.search(rest):
        return None
    rest, _, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    if "@" in query + fragment or (authority and "@" in path):
        return None
    if (place := _PATHS.get(scheme.lower().removeprefix("rediss").removeprefix("redis"))) and not place.fullmatch(path):
        return None
    login, at, hosts = authority.rpartition("@")
    if not all(_HOST.fullmatch(host) for host in hosts.split(",")):
        return None
    user, colon, _ = login.partition(":")
    if "@" in user:
        return None
    secret = colon and hidden and colon + hidden
    shown = f"{scheme}://{user}{secret}{at if user or secret else ''}{hosts}{slash}{path}"
    parameters = [part for part in (_masked_parameter(part, hidden) for part in query.split("&") if part) if part]
    return f"{shown}{'?' if parameters else ''}{'&'.join(parameters)}{f'#{hidden}' if fragment and hidden else ''}"


def _masked_parameter(part: str, hidden: str) -> str:
    name, _, _ = part.partition("=")
    if name in _HARMLESS_PARAMETERS:
        return part
    if not hidden:
        return ""
    return f"{name}={hidden}" if name == "sentinel_password" else hidden


def mask(value: Any, name: str = "") -> Any:
    """Return a value without the secrets of a URL; other values are unchanged.

    Under the name of a URL setting only URLs are shown: another text may be a misplaced password.
    """
    if not isinstance(value, str) or not value or ("://" not in value and name not in _url_settings):
        return value
    shown = masked_url(value)
    if shown is not None:
        return shown
    scheme, separator, _ = value.partition("://")
    return f"{scheme}://{HIDDEN}" if separator and _SCHEME.fullmatch(scheme) else HIDDEN


def shown_value(value: Any, name: str = "") -> str:
    """Return the `repr` of any value for an error, without secrets."""
    if isinstance(value, str):
        return repr(mask(value, name))
    text = repr(masked_values(value))
    return text if "://" not in repr(_without_texts(value)) else "a hidden value"


def masked_values(value: Any, name: str = "") -> Any:
    """Return a copy of nested mappings and lists with each secret masked."""
    if isinstance(value, Mapping):
        return {key: HIDDEN if is_secret(key) and each else masked_values(each, key) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        masked = [masked_values(each) for each in value]
        return masked if isinstance(value, list) else tuple(masked)
    return mask(value, name)


def _without_texts(value: Any) -> Any:
    """Return the parts of a value that `masked_values` cannot inspect."""
    if isinstance(value, Mapping):
        return [_without_texts(each) for each in value.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_without_texts(each) for each in value]
    return None if isinstance(value, str) else value


def without_secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without secret values and with URLs without passwords."""
    kept = ((key, harmless(value, key)) for key, value in values.items() if not is_secret(key))
    return {key: value for key, value in kept if value is not UNREADABLE}


def harmless(value: Any, name: str = "") -> Any:
    """Return a value without secrets; `UNREADABLE` replaces a text that may be a URL with a password."""
    if isinstance(value, Mapping):
        return without_secrets(value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return type(value)(each for each in map(harmless, value) if each is not UNREADABLE)
    if not isinstance(value, str) or not value or ("://" not in value and name not in _url_settings):
        return value
    url = masked_url(value, hidden="")
    return UNREADABLE if url is None else url


UNREADABLE = object()


def is_spawning() -> bool:
    """Return whether `multiprocessing` is pickling for a process that it starts, through a private pipe."""
    context = sys.modules.get("multiprocessing.context")
    return context is not None and context.get_spawning_popen() is not None


class MaskedDict(dict[str, Any]):
    """Settings as they were passed, shown without their secrets."""

    def __repr__(self) -> str:
        return repr(masked_values(self))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a plain dict. Only a pickle for a process that `multiprocessing` starts has secrets."""
        return (dict, (dict(self) if is_spawning() else without_secrets(self),))
