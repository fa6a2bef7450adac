"""Canonical texts of values: equal values have equal texts in every process. Ids and concurrency keys use them."""

from __future__ import annotations

from typing import Any

import msgspec

from pynenc.serializer.checks import SCALARS, fields_of_value
from pynenc.serializer.hooks import encode_other, encode_with_sets, has_own_form

_encode = msgspec.json.Encoder(enc_hook=encode_other).encode
_SORTED_ENCODER = msgspec.json.Encoder(enc_hook=encode_with_sets, order="deterministic")


def canonical_text(value: Any) -> str:
    """Return JSON text that is independent of the order of dicts and sets. Raises what the encoder raises."""
    try:
        if not _has_members_without_order(value):
            return _SORTED_ENCODER.encode(value).decode()
    except TypeError:
        pass
    try:
        # Keys that are not text, or elements that cannot be compared, are ordered by their texts.
        return _encode(_ordered(value)).decode()
    except TypeError:
        # Only the model can encode this part.
        return _encode(value).decode()


def _has_members_without_order(value: Any) -> bool:
    """Return whether a set in it has no sort order: sets compare by inclusion, and so do tuples that begin with one."""
    if type(value) in SCALARS:
        return False
    if isinstance(value, dict):
        return any(map(_has_members_without_order, value.values()))
    if isinstance(value, set | frozenset):
        return any(type(member) not in SCALARS and type(member) is not float for member in value)
    if isinstance(value, list | tuple):
        return any(map(_has_members_without_order, value))
    parts = fields_of_value(value) or (encode_with_sets(value) if has_own_form(value) else None)
    return _has_members_without_order(parts)


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        # The encoder writes the key 1 as "1".
        return dict(sorted((_key_text(key), _ordered(item)) for key, item in value.items()))
    if isinstance(value, set | frozenset):
        return [msgspec.Raw(text) for text in sorted(_encode(_ordered(item)) for item in value)]
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    if type(value) in SCALARS:
        return value
    fields = fields_of_value(value)
    if fields:
        config = getattr(value, "__struct_config__", None)
        tag = {} if config is None or config.tag is None else {config.tag_field: config.tag}
        return _ordered(tag | fields)
    other = encode_with_sets(value) if has_own_form(value) else value
    return value if other is value else _ordered(other)


def _key_text(key: Any) -> str:
    [text] = msgspec.json.decode(_encode({key: None}), type=dict[str, None])
    return text
