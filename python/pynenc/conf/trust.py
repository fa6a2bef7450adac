"""Settings that decide on trust: no other source can weaken the protection that the code sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pynenc.conf.sources import Layer
from pynenc.exceptions import ConfigError

SAFE_SERIALIZER = "JsonSerializer"

_PROTECTIONS = frozenset({"signing_keys", "payload_codec_cls"})
"""Settings of the code that files may not change. The environment may change them, but not turn them off."""

_CODE = "config_values"
_ENVIRONMENT = "environment variable"


def checked_layers(layers: Iterable[Layer]) -> Iterator[Layer]:
    """Yield the layers of settings in their order, the code's first.

    Raises:
        ConfigError: a file changes a protection of the code, or the environment empties it; or one of them chooses a
            serializer that is less safe than the code's without the permission of the code, or sets a field that only
            the code may set.
    """
    chosen, allowed = SAFE_SERIALIZER, False
    on: set[str] = set()
    for layer in layers:
        values, source = layer.values, layer.source
        for name in _PROTECTIONS & values.keys():
            if source.startswith(_CODE):
                on = on | {name} if values[name] else on - {name}
            elif name in on and not (values[name] and source.startswith(_ENVIRONMENT)):
                done = "changed" if values[name] else "emptied"
                raise ConfigError(
                    f"ConfigPynenc.{name} is set in the code of the app and {done} by {source}, which would let "
                    "payloads of others pass: change it in the code or in the environment, or take it out of "
                    "that source"
                )
        if source.startswith(_CODE):
            chosen = values.get("serializer_cls", chosen)
            allowed = values.get("allow_serializer_override", allowed) is True
        else:
            if "allow_serializer_override" in values:
                raise _not_here("allow_serializer_override", source, "in code (config_values)")
            if "allow_foreign_files" in values and not source.startswith(_ENVIRONMENT):
                raise _not_here("allow_foreign_files", source, "in code (config_values) or in the environment")
            wanted = values.get("serializer_cls", chosen)
            if wanted not in (chosen, SAFE_SERIALIZER) and not allowed:
                raise ConfigError(
                    f"ConfigPynenc.serializer_cls can only be made safer by files and the environment, got {wanted!r} "
                    f"(from {source}), and the code has {chosen!r}: set it in code (config_values), or set "
                    "allow_serializer_override=True there"
                )
        yield layer


def _not_here(field: str, source: str, where: str) -> ConfigError:
    return ConfigError(f"ConfigPynenc.{field} must be set {where}, got it from {source}")
