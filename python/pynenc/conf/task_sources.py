"""Read the sources of the settings of tasks once for all tasks of an app.

An app with thousands of tasks asks for the settings of each. The files, the environment and the code are read for the
first task, and read again only after one of them has changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pynenc.conf.sources import CODE, PREFIX, Layer, candidate_files, environment_layers
from pynenc.identifiers import TaskId

TASK_DEFAULTS = "task_defaults"
"""The section with the defaults of all tasks, which decorators override."""

_OF_TASKS = f"{PREFIX}CONFIGTASK__"

_KEPT = 8
"""The maximum number of apps of one process whose sources are cached."""

_Stamp: TypeAlias = tuple[int, ...] | None


@dataclass(frozen=True)
class TaskSources:
    """The settings of all tasks, and of single tasks by id, from every source."""

    fields: tuple[str, ...]
    general: tuple[tuple[Layer, Mapping[str, Any]], ...]
    """Each layer, reduced to settings of tasks, with its settings for single tasks."""
    defaults: tuple[Layer, ...]
    variables: bool
    """Whether the environment has a setting for a single task."""

    def layers(self, task_id: TaskId | None, options: Mapping[str, Any]) -> Iterator[Layer]:
        """Yield the layers of one task, the weakest first. Files and the environment override the code."""
        in_code = [(layer, tasks) for layer, tasks in self.general if layer.origin == CODE]
        for layer, _ in in_code:
            yield layer
        yield from self.defaults
        for layer, tasks in in_code:
            yield from _of_task(layer, tasks, task_id)
        yield Layer(f"the decorator of task {task_id}", options, origin="the decorator")
        for layer, tasks in self.general:
            if layer.origin != CODE:
                yield layer
                yield from _of_task(layer, tasks, task_id)
        if task_id is not None and self.variables:
            scopes = dict.fromkeys((str(task_id).replace(".", "#"), task_id.config_key))
            yield from environment_layers(self.fields, [f"CONFIGTASK__{scope}" for scope in scopes])


def _of_task(layer: Layer, tasks: Mapping[str, Any], task_id: TaskId | None) -> Iterator[Layer]:
    """Yield the settings of one task in the section `task` of a dict or file."""
    section = tasks.get(str(task_id)) if tasks else None
    if isinstance(section, Mapping):
        yield Layer(f"{layer.source}, {str(task_id)!r}", section, origin=layer.origin)


def _read(fields: Sequence[str], layers: Iterable[Layer]) -> TaskSources:
    general, defaults = [], []
    for layer in layers:
        section = layer.values.get(TASK_DEFAULTS) if layer.source == layer.origin else None
        if isinstance(section, Mapping):
            defaults.append(Layer(f"{layer.source}, section {TASK_DEFAULTS!r}", section, origin=layer.origin))
        kept = {name: layer.values[name] for name in fields if name in layer.values}
        tasks = layer.values if layer.source.endswith("section 'task'") else {}
        general.append((Layer(layer.source, kept, layer.is_text, layer.origin), tasks))
    defaults.extend(environment_layers(fields, [TASK_DEFAULTS]))
    variables = any(name.upper().startswith(_OF_TASKS) for name in os.environ)
    return TaskSources(tuple(fields), tuple(general), tuple(defaults), variables)


@dataclass(frozen=True)
class _Kept:
    """The sources that were read, and a snapshot of their origins."""

    kind: type
    values: Mapping[str, Any] | None
    filepath: str | None
    copied: Any
    environment: dict[Any, Any]
    files: tuple[str, ...]
    stamps: tuple[_Stamp, ...]
    sources: TaskSources

    def is_of(self, kind: type, values: Mapping[str, Any] | None, filepath: str | None) -> bool:
        """Return whether these origins were read and have not changed since."""
        return (
            self.kind is kind
            and self.values is values
            and self.filepath == filepath
            and self.environment == _environment()
            and self.stamps == _stamps(self.files)
            and bool(self.copied == values)
        )


_kept: list[_Kept] = []


def task_sources(
    kind: type,
    fields: Sequence[str],
    config_values: Mapping[str, Any],
    config_filepath: str | None,
    read: Callable[[], Iterable[Layer]],
) -> TaskSources:
    """Return the sources of a class of settings, read by `read` or from the cache.

    Raises what `read` raises.
    """
    global _kept
    values = config_values or None
    for kept in _kept:
        if kept.is_of(kind, values, config_filepath):
            return kept.sources
    # Taken before the sources are read, so that a change during the reading is noticed.
    environment, copied = _environment(), _copy(values)
    files = tuple(candidate_files(config_filepath, [cls.__name__ for cls in kind.__mro__]))
    stamps = _stamps(files)
    sources = _read(fields, read())
    others = [kept for kept in _kept if not (kept.kind is kind and kept.values is values)]
    _kept = [_Kept(kind, values, config_filepath, copied, environment, files, stamps, sources), *others][:_KEPT]
    return sources


def _environment() -> dict[Any, Any]:
    """Return a snapshot of the raw environment: decoding each variable would take longer than all the rest."""
    return dict(getattr(os.environ, "_data", os.environ))


def _stamps(files: Iterable[str]) -> tuple[_Stamp, ...]:
    return tuple(map(_stamp, files))


def _stamp(file: str) -> _Stamp:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_uid, found.st_mode


def _copy(values: Mapping[str, Any] | None) -> Any:
    """Return a copy of the dict and its sections, to notice changes. The contents of sections are not copied."""
    if values is None:
        return None
    return {name: dict(each) if isinstance(each, Mapping) else each for name, each in values.items()}
