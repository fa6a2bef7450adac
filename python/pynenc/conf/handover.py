"""Pass the settings of one process to another, which then reads none of them from its own sources.

A worker process imports the modules of the app again. A setting that a module computes, such as a temporary path, would
differ there. So would a setting that depends on a file or on the working folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from pynenc.conf.base import ConfigBase, fields_of
from pynenc.conf.masking import MaskedDict

Settings = dict[str, list[Any]]
"""Settings that are no defaults, in JSON form: by name the value, its source, and the rank of the source."""

Conf = TypeVar("Conf", bound=ConfigBase)


def handed_settings(conf: ConfigBase) -> Settings:
    """Return the settings of `conf` that another process must use."""
    return {
        name: [_plain(getattr(conf, name)), source, conf.strength_of(name)]
        for name, source in conf._sources.items()
        if source != "default"
    }


def _plain(value: Any) -> Any:
    """Return a setting in JSON form; the field converts it back."""
    value = getattr(value, "value", value)
    return list(value) if isinstance(value, (tuple, set, frozenset)) else value


def settings_from(cls: type[Conf], handed: Settings) -> Conf:
    """Create a configuration of class `cls` from the settings of another process, without reading any source."""
    conf = cls.__new__(cls)
    fields = fields_of(cls)
    conf.__dict__.update(_sources=dict.fromkeys(fields, "default"), _strengths={})
    for name, field in fields.items():
        conf.__dict__[name] = field.default_value()
    for name, (value, source, strength) in handed.items():
        ConfigBase.__setattr__(conf, name, value)
        conf._sources[name], conf._strengths[name] = source, strength
    return conf


def take_over_sources(conf: ConfigBase, handed: ConfigBase) -> None:
    """Have `conf` name the sources that its settings have in another process, as `settings_from` made them."""
    conf._sources.update(handed._sources)
    conf.__dict__["_strengths"] = handed._strengths


def merged_values(own: Mapping[str, Any], handed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `config_values` of another process, with the objects of this process where both are equal.

    JSON converts a class or an enum into text; if both processes have computed the same text, the object is kept.
    """
    merged: dict[str, Any] = MaskedDict()
    for name, value in handed.items():
        mine = own.get(name)
        if isinstance(mine, Mapping) and isinstance(value, Mapping):
            merged[name] = merged_values(mine, value)
        else:
            merged[name] = mine if name in own and _as_json(mine) == _as_json(value) else value
    return merged


def as_json(values: Any) -> str:
    """Return settings as JSON: a set becomes a list, and values without a JSON form become text."""
    return msgspec.json.encode(values, enc_hook=str).decode()


def _as_json(value: Any) -> str:
    return json.dumps(json.loads(as_json(value)), sort_keys=True)
