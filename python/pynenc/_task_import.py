"""Find a task that this process has not imported yet, by the module in its id.

A task id comes from the store. Whoever can write there must not be able to make a runner import just any module, so
only those count that lie beside what the app already consists of: in the same top-level package, or the same folder.
What such a module does when it is imported must not hold up a runner: it is imported on a thread of its own, and given
up after a while.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.identifiers import TaskId


_lock = threading.Lock()
_imports: dict[tuple[str, str], _Import] = {}
"""The imports for an app, by its id and the name of the module: those that go on, and those that failed."""


def import_module_of(app: Pynenc, task_id: TaskId) -> str:
    """Import the module of a task if that may be done; in words, why the task may still be missing."""
    module = task_id.module
    if not module or not all(part.isidentifier() for part in str(task_id).split(".")):
        return "this is not the id of a task"
    key = (app.app_id, module)
    if key not in _imports and module not in sys.modules and not _belongs_to(app, module):
        return f"module {module} is not imported, and is not beside the modules of the app; import it in the app's"
    with _lock:
        # Another thread may have begun since: a module is in `sys.modules` before it is imported.
        known = _imports.get(key)
        if known is None:
            if module in sys.modules:
                return f"module {module} is imported, but registers no task of this name"
            known = _imports[key] = _Import(module)
    problem = known.outcome(app.conf.task_import_limit_sec)
    if problem is None:
        _imports.pop(key, None)
        return f"module {module} registers no task of this name"
    # Not again: what it does before it fails would happen at each delivery.
    return problem


class _Import:
    """The import of one module, on a thread of its own from the start of this object."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._ended = threading.Event()
        self._failure: str | None = None
        self._given_up = False
        # Nobody can end a thread, so one that hangs must not keep the process.
        self._thread = threading.Thread(target=self._run, name=f"pynenc-import-{module}", daemon=True)
        self._thread.start()

    def outcome(self, limit_sec: float) -> str | None:
        """In words, why there is no module; None if it is imported. Blocks for `limit_sec`, and never a second time."""
        if threading.current_thread() is self._thread:
            return f"module {self._module} is being imported, and has not registered a task of this name yet"
        if not self._ended.wait(0 if self._given_up else limit_sec):
            self._given_up = True
            return f"importing module {self._module} goes on{self._place()}; it was given up after {limit_sec:g} s"
        return self._failure

    def _run(self) -> None:
        try:
            importlib.import_module(self._module)
        except BaseException as error:
            # `sys.exit()` at the end of a script is no reason for a runner to end.
            self._failure = f"importing module {self._module} failed with {type(error).__name__}: {error}"
        finally:
            self._ended.set()

    def _place(self) -> str:
        """Where it is, for whoever looks for what it waits for."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        if frame is None:
            return ""
        line = traceback.extract_stack(frame)[-1]
        return f" at {line.filename}:{line.lineno}"


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
