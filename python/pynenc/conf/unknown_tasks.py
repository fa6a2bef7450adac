"""Find settings of single tasks that do not exist: a misspelt name in a file, in `config_values`, or in the
environment.

A runner searches for them at its start, when it knows its tasks. Settings may name tasks of other runners, so a name
counts as misspelt only if it is similar to that of a task, or if its module is here and has no such task.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pynenc.conf.ownership import allows_foreign_files
from pynenc.conf.sources import CODE, PREFIX, whole_files
from pynenc.identifiers import TaskId
from pynenc.util.near_names import near_names

_SECTION = "task"
_SCOPE = f"{PREFIX}CONFIGTASK__"


def misspelt_tasks(
    config_values: Mapping[str, Any], config_filepath: str | None, known: Iterable[TaskId]
) -> Iterator[tuple[str, str, str]]:
    """Yield source, name, and what may be meant, of each task that settings name and that is likely misspelt.

    Args:
        known: the tasks that there are.

    Raises:
        ConfigFileError: a file that cannot be read.
    """
    tasks = {str(task_id): task_id.module for task_id in known}
    files = whole_files(config_filepath, ["CONFIGTASK"], allow_foreign=allows_foreign_files(config_values))
    for source, values in ((CODE, config_values), *files):
        section = values.get(_SECTION)
        for name, settings in section.items() if isinstance(section, Mapping) else ():
            if isinstance(settings, Mapping) and str(name) not in tasks:
                yield from _misspelt(source, str(name), str(name), tasks)
    variables = {_variable_name(task_id) for task_id in known}
    for variable in sorted(os.environ):
        name, found, _ = variable.upper().removeprefix(_SCOPE).rpartition("__")
        if variable.upper().startswith(_SCOPE) and found and name.replace(".", "#") not in variables:
            yield from _misspelt(f"environment variable {variable}", name, name.replace("#", "."), tasks)


def _variable_name(task_id: TaskId) -> str:
    return str(task_id).replace(".", "#").upper()


def _misspelt(source: str, shown: str, name: str, tasks: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    near = near_names(name, tasks)
    modules = {module.lower() for module in tasks.values()}
    if near or name.rpartition(".")[0].lower() in modules:
        yield source, shown, f"did you mean {' or '.join(near)}?" if near else "its module has no task of this name"
