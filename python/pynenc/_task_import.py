"""Find a task that this process has not imported yet, by the module in its id.

A task id comes from the store. Whoever can write there must not be able to make a runner import just any module, so
only those count that lie beside what the app already consists of: in the same top-level package, or the same folder.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.identifiers import TaskId


_failed: dict[tuple[str, str], str] = {}
"""What became of the import of a module for an app, by the id of the app, where it failed."""


def import_module_of(app: Pynenc, task_id: TaskId) -> str:
    """Import the module of a task if that may be done; in words, why the task may still be missing."""
    module = task_id.module
    if not module or not all(part.isidentifier() for part in str(task_id).split(".")):
        return "this is not the id of a task"
    if module in sys.modules:
        return f"module {module} is imported, but registers no task of this name"
    if not _belongs_to(app, module):
        return f"module {module} is not imported, and is not beside the modules of the app; import it in the app's"
    failure = _failed.get((app.app_id, module))
    if failure is not None:
        # Not again: what it does before it fails would happen at each delivery.
        return failure
    try:
        importlib.import_module(module)
    except (Exception, SystemExit) as error:
        # `sys.exit()` at the end of a script is no reason for a runner to end.
        failure = f"importing module {module} failed with {type(error).__name__}: {error}"
        _failed[app.app_id, module] = failure
        return failure
    return f"module {module} registers no task of this name"


def modules_of(app: Pynenc) -> set[str]:
    """Names of the modules that the app consists of: those with its tasks, and those with the app in a variable."""
    names = {task_id.module for task_id in app.tasks}
    for name, module in list(sys.modules.items()):
        try:
            if any(value is app for value in list(vars(module).values())):
                names.add(name)
        except TypeError:
            # An entry that is no module.
            continue
    return names


def _belongs_to(app: Pynenc, module: str) -> bool:
    top = module.partition(".")[0]
    known = modules_of(app)
    if any(name.partition(".")[0] == top for name in known):
        return True
    folders = {_folder(name.partition(".")[0]) for name in known}
    folder = _folder(top)
    return folder is not None and folder in folders


def _folder(top: str) -> Path | None:
    """The folder that a top-level module or package lies in."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve().parent
    return None if not spec.has_location or spec.origin is None else Path(spec.origin).resolve().parent
