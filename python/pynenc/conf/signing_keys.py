"""The setting `signing_keys`: the form of a key, and the rules of a list of keys."""

from __future__ import annotations

import re
from typing import Any

MIN_SECRET_BYTES = 16

_ID = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_SECRET = re.compile(r"[!-+\--~]+")
_FORM = "be id:secret texts, newest first, such as ['2026-07:<the output of openssl rand -hex 32>']"


class SigningKey(str):
    """One key as `id:secret`. Its texts show the id alone, so that no log or message contains the secret."""

    __slots__ = ()

    @property
    def key_id(self) -> str:
        """The id of the key, which every payload signed with it contains."""
        return self.partition(":")[0]

    @property
    def secret(self) -> bytes:
        """The secret bytes of the key."""
        return self.partition(":")[2].encode()

    def __repr__(self) -> str:
        return f"<signing key {self.key_id!r}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)


def parse_signing_keys(value: Any) -> tuple[SigningKey, ...]:
    """Parse the keys of a list, or of one text with commas between them.

    Raises:
        ValueError: with the words after `must`. The message quotes at most a well-formed id of a key.
    """
    if isinstance(value, str):
        # A method of `str` on a key would return its secret text.
        value = [part.strip() for part in str.split(value, ",") if part.strip()]
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"must {_FORM}")
    keys: list[SigningKey] = []
    for place, item in enumerate(value, 1):
        key = SigningKey(str.__str__(item))
        which = f"{_FORM}; key {place} of {len(value)}"
        if ":" not in item:
            raise ValueError(f"must {which} has no colon")
        if not _ID.fullmatch(key.key_id):
            raise ValueError(f"must {which} has an id that is not 1 to 32 of A-Z a-z 0-9 _ . -")
        if not _SECRET.fullmatch(key.secret.decode()):
            raise ValueError(
                f"must {which} ({key.key_id!r}) has a secret that is empty, or holds a space, a comma or what is not "
                "ASCII: write random bytes as hex or base64"
            )
        if len(key.secret) < MIN_SECRET_BYTES:
            raise ValueError(f"must {which} ({key.key_id!r}) has a secret of less than {MIN_SECRET_BYTES} bytes")
        if key.key_id in [known.key_id for known in keys]:
            raise ValueError(f"must {which} has the id {key.key_id!r} a second time")
        keys.append(key)
    return tuple(keys)
