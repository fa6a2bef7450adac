"""Import the modules that a runner needs at its start to know the tasks of its app.

These are the modules that the settings list, and those beside the app whose source uses one of its task decorators. The
store never decides: a task id in a record is only looked up among the registered tasks.
"""

from __future__ import annotations

import importlib
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

from pynenc import context
from pynenc._tasks.late_modules import LateModules
from pynenc._tasks.shadows import is_standard, shadow_warning, shadowing_files
from pynenc._tasks.sources import Found, find_task_modules
from pynenc.conf.unknown_tasks import misspelt_tasks
from pynenc.exceptions import ConfigError, TaskError
from pynenc.identifiers import TaskId

if TYPE_CHECKING:
    from pynenc._kernel.runtime import AppRuntime

_SHOWN_CHARACTERS = 200

_hanging: dict[str, _Import] = {}
"""Abandoned imports that still run, by the name of the module."""


def import_task_modules(runtime: AppRuntime) -> None:
    """Import what a runner of this app needs. Blocks for the imports, each for `task_import_limit_sec` at most.

    A module that fails or hangs is named in the log, and the others count.

    Raises:
        ConfigError: a module that a setting lists does not exist.
    """
    for file in shadowing_files(sys.path):
        runtime.logger.warning("%s", shadow_warning(file))
    failed: list[str] = []
    for setting in ("trigger_task_modules", "task_modules"):
        for name in getattr(runtime.conf, setting):
            _import_listed(runtime, setting, name, failed)
    found = find_task_modules(runtime, modules_with(runtime)) if runtime.conf.find_task_modules else Found([], [])
    for name in found.modules:
        _import_or_note(runtime, name, failed)
    for problem in (*failed, *found.problems):
        runtime.logger.warning("%s; its tasks are unknown to this runner", problem)
    known = list(runtime.tasks)
    for source, name, hint in misspelt_tasks(runtime.sources.values, runtime.sources.filepath, known):
        runtime.logger.warning("settings of task %r (from %s): no such task is known here, %s", name, source, hint)


def _import_listed(runtime: AppRuntime, setting: str, name: str, failed: list[str]) -> None:
    if is_standard(name):
        raise ConfigError(
            f"ConfigPynenc.{setting}: {name!r} is a module of the standard library: rename your file of this name "
            f"(from {runtime.conf.source_of(setting)})"
        )
    problem = imported(name, runtime.conf.task_import_limit_sec)
    if problem is None:
        return
    if problem.endswith(_MISSING.format(name)) or setting == "trigger_task_modules":
        raise ConfigError(f"ConfigPynenc.{setting}: {problem} (from {runtime.conf.source_of(setting)})")
    runtime.kept(LateModules).failed(name, problem)
    failed.append(problem)


def _import_or_note(runtime: AppRuntime, name: str, failed: list[str]) -> None:
    problem = imported(name, runtime.conf.task_import_limit_sec)
    if problem is not None:
        runtime.kept(LateModules).failed(name, problem)
        failed.append(problem)


def modules_with(runtime: AppRuntime) -> list[str]:
    """Return the names of the imported modules that have the app in a variable, and of the command line's module."""
    names = dict.fromkeys([runtime.found_in] if runtime.found_in else [])
    # Copied in one step: other code may run between two items and import a module.
    for name, module in sys.modules.copy().items():
        namespace = getattr(module, "__dict__", None)
        if type(namespace) is dict and any(value is runtime.app for value in namespace.copy().values()):
            names[name] = None
    names.pop("__main__", None)
    return list(names)


def task_module_names(runtime: AppRuntime) -> list[str]:
    """Return the modules that a process must import to know the tasks of this process."""
    listed = (*runtime.conf.trigger_task_modules, *runtime.conf.task_modules)
    of_app = [runtime.found_in] if runtime.found_in else []
    names = dict.fromkeys([*of_app, *listed, *(task_id.module for task_id in runtime.tasks.copy())])
    return [name for name in names if name != "__main__" and name in sys.modules and name not in _hanging]


def late_task(runtime: AppRuntime, task_id: str) -> Any:
    """Return a task of a module that failed when the runner started, if it can be imported now.

    Raises:
        TaskError: the task is not known; the message says how to have its module imported.
    """
    if runtime.kept(LateModules).try_again(runtime, TaskId(task_id).module):
        task = runtime.tasks.get(task_id)  # type: ignore[call-overload]
        if task is not None:
            return task
    raise TaskError(task_id[:_SHOWN_CHARACTERS], why_unknown(runtime, task_id))


def why_unknown(runtime: AppRuntime, task_id: str) -> str:
    """Return the reason why a task is not known here, with the remedy. Imports nothing."""
    module = TaskId(task_id).module
    shown = task_id if len(task_id) <= _SHOWN_CHARACTERS else task_id[:_SHOWN_CHARACTERS] + "…"
    text = f"app {runtime.app_id!r} has no task {shown!r} in this process: "
    if not module or not all(part.isidentifier() for part in task_id.split(".")):
        return text + "this is not the id of a task"
    problem = runtime.kept(LateModules).problems().get(module)
    if problem is not None:
        return text + f"{problem}. It is tried again when its tasks are called"
    if module in sys.modules:
        return text + f"module {module[:_SHOWN_CHARACTERS]} is imported, but registers no task of this name"
    if len(task_id) > _SHOWN_CHARACTERS:
        return text + "its module is not imported"
    if _is_client(runtime):
        return text + (
            f"module {module} is not imported: import {module} here before you read it. So that runners have it, "
            "import it in the module of the app, list it in task_modules (PYNENC__TASK_MODULES), or start them with "
            f"--import {module}"
        )
    return text + (
        f"module {module} is not imported. Import it in the module of the app, list it in task_modules "
        f"(PYNENC__TASK_MODULES), or start the runner with --import {module}"
    )


def _is_client(runtime: AppRuntime) -> bool:
    """Return whether this process only submits and reads: it is no worker process and has no runner."""
    return context.current_runner.get() is None and not runtime.has_running_runner()


# -- one import --------------------------------------------------------------------------------------------------------

_MISSING = "there is no module {0!r}"


def imported(name: str, limit_sec: float) -> str | None:
    """Have a module imported; in words, why it is not. None if it is."""
    hanging = _hanging.get(name)
    if hanging is None and name in sys.modules:
        return None
    one = hanging or _Import(name)
    problem = one.outcome(0.0 if hanging is not None else limit_sec)
    if one.goes_on:
        _hanging[name] = one
    else:
        _hanging.pop(name, None)
    return problem


class _Import:
    """The import of one module, on a separate thread that starts with this object: an import that hangs cannot be
    ended.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._ended = threading.Event()
        self._failure: str | None = None
        self._waited_sec = 0.0
        self._thread = threading.Thread(target=self._run, name=f"pynenc-import-{module}", daemon=True)
        self._thread.start()

    @property
    def goes_on(self) -> bool:
        """Whether it has not ended yet."""
        return not self._ended.is_set()

    def outcome(self, limit_sec: float) -> str | None:
        """In words, why there is no module; None if it is imported. Blocks for `limit_sec` at most."""
        if not self._ended.wait(limit_sec):
            self._waited_sec += limit_sec
            return (
                f"importing module {self._module} goes on{self._place()}; it was given up after {self._waited_sec:g} s"
            )
        return self._failure

    def _run(self) -> None:
        try:
            importlib.import_module(self._module)
        except ModuleNotFoundError as error:
            missing = error.name is not None and f"{self._module}.".startswith(f"{error.name}.")
            self._failure = _MISSING.format(self._module) if missing else self._failed_with(error)
        except BaseException as error:
            # `sys.exit()` at the end of a script is no reason for a runner to end.
            self._failure = self._failed_with(error)
        finally:
            self._ended.set()

    def _failed_with(self, error: BaseException) -> str:
        return f"importing module {self._module} failed with {type(error).__name__}: {error}"

    def _place(self) -> str:
        """Return the line that the import has reached, for the search of its cause."""
        frame = sys._current_frames().get(self._thread.ident or 0)
        if frame is None:
            return ""
        line = traceback.extract_stack(frame)[-1]
        return f" at {line.filename}:{line.lineno}"
