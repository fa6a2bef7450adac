"""Find settings that no class reads: misspelt keys of files, of `config_values`, and of the environment.

All configuration classes share the sources, so a single class cannot tell which keys belong to another. This module
checks all classes together when an app opens its store: the user's classes are imported by then.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from pynenc.conf.base import Setting, config_id, fields_of, offered
from pynenc.conf.given import config_classes
from pynenc.conf.ownership import allows_foreign_files
from pynenc.conf.sources import PREFIX, whole_files
from pynenc.conf.task_sources import TASK_DEFAULTS
from pynenc.util.near_names import near_names
from pynenc.util.places import place_of

_warned: set[tuple[str, str]] = set()
_TASK_SECTION = "task"


def warn_of_unknown_settings(config_values: Mapping[str, Any], config_filepath: str | None) -> None:
    """Warn (`UserWarning`) of keys that no configuration class has, once per source and key in a process."""
    for source, key, hint in unknown_settings(config_values, config_filepath):
        if (source, key) in _warned:
            continue
        _warned.add((source, key))
        text = f"the setting {key!r} (from {source}) is known to no configuration class: {hint}"
        warnings.warn_explicit(text, UserWarning, *place_of(source, key))


def unknown_settings(config_values: Mapping[str, Any], config_filepath: str | None) -> Iterator[tuple[str, str, str]]:
    """Yield `(source, key, hint)` for each setting that no imported configuration class reads.

    Raises:
        ConfigFileError: a file that cannot be read.
    """
    known = _Known()
    yield from known.in_mapping("config_values", config_values)
    for source, values in whole_files(
        config_filepath, known.class_names, allow_foreign=allows_foreign_files(config_values)
    ):
        yield from known.in_mapping(source, values)
    yield from known.in_environment()


class _Known:
    """The known names: fields by class, and the classes themselves."""

    def __init__(self) -> None:
        # The scope of a class includes the fields of its subclasses, because they read its sections too.
        self._by_class: dict[str, set[str]] = {}
        self._by_section: dict[str, set[str]] = {}
        self._all: set[str] = set()
        effective: set[str] = set()
        classes = config_classes()
        for cls in classes:
            if cls.__module__.startswith("pynenc.") and not any(
                isinstance(field, Setting) for field in vars(cls).values()
            ):
                # pynenc's name of a class whose settings another class reads.
                continue
            fields = {name for one in classes if issubclass(one, cls) for name in fields_of(one)}
            effective |= set(offered(cls))
            self._by_class.setdefault(cls.__name__.upper(), set()).update(fields)
            self._by_section.setdefault(config_id(cls), set()).update(fields)
            self._all |= fields
        self._without_effect = self._all - effective
        """Names that are accepted but never suggested."""
        self.class_names = sorted(self._by_class)
        # No class has this name: it holds the fields of `ConfigTask` at a lower rank.
        self._by_section[TASK_DEFAULTS] = self._by_section[_TASK_SECTION]
        self._by_class[TASK_DEFAULTS.upper()] = self._by_class["CONFIGTASK"]

    def in_mapping(self, source: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
        """Yield the unknown keys of one file or dict."""
        for key, value in values.items():
            fields = self._by_section.get(key) if isinstance(value, Mapping) else None
            if fields is not None:
                yield from self._in_section(f"{source}, section {key!r}", key, value, fields)
            elif key not in self._all:
                candidates = set(self._by_section) if isinstance(value, Mapping) else self._all
                yield source, str(key), self._meant(str(key), candidates)

    def _in_section(
        self, source: str, section: str, values: Mapping[str, Any], fields: set[str]
    ) -> Iterator[tuple[str, str, str]]:
        for key, value in values.items():
            if section == _TASK_SECTION and isinstance(value, Mapping):
                # The section of one task, by its id.
                yield from self._in_section(f"{source}, {key!r}", "", value, fields)
            elif key not in fields:
                yield source, str(key), self._meant(str(key), fields)

    def in_environment(self) -> Iterator[tuple[str, str, str]]:
        """Yield the unknown variables with the prefix `PYNENC__` or `PYNENC_`."""
        for variable in sorted(os.environ):
            name = variable.upper()
            if not os.environ[variable]:
                continue
            if not name.startswith(PREFIX):
                meant = self._with_our_prefix(name)
                if meant is not None:
                    yield "the environment", variable, f"did you mean {meant}?"
                continue
            scope, _, field = name.removeprefix(PREFIX).rpartition("__")
            task_scope = scope.startswith("CONFIGTASK__")
            fields = self._all if not scope else self._by_class.get("CONFIGTASK" if task_scope else scope)
            known = {one.upper() for one in fields or ()} | ({"FILEPATH"} if not task_scope else set())
            if fields is None:
                yield (
                    "the environment",
                    variable,
                    _listed([f"{PREFIX}{one}__{field}" for one in near_names(scope, self._by_class)]),
                )
            elif field not in known:
                begin = f"{PREFIX}{scope}__" if scope else PREFIX
                near = near_names(field, known - {one.upper() for one in self._without_effect})
                yield "the environment", variable, _listed([begin + one for one in near])
            elif variable != name:
                yield "the environment", variable, f"did you mean {name}? Variables are in upper case"

    def _with_our_prefix(self, name: str) -> str | None:
        """Return the variable that `PYNENC_STORE_URL` stands for; None for a variable of another program."""
        begin = PREFIX.rstrip("_") + "_"
        if not name.startswith(begin):
            return None
        rest = name.removeprefix(begin)
        fields = {one.upper() for one in self._all - self._without_effect} | {"FILEPATH"}
        for scope in ("", *self._by_class):
            field = rest.removeprefix(scope).lstrip("_") if rest.startswith(scope) else ""
            if field in fields:
                return f"{PREFIX}{scope}__{field}" if scope else PREFIX + field
        return None

    def _meant(self, key: str, known: set[str]) -> str:
        return _listed(near_names(key, known - self._without_effect))


def _listed(near: list[str]) -> str:
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "remove it, or import the module whose configuration class has it"
