"""The warning of a runner that knows no task, with the remedy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pynenc.cli.app_discovery import FoundApp

_LISTED = "list the modules with tasks in task_modules (PYNENC__TASK_MODULES)"


def warn_if_no_tasks(found: FoundApp) -> None:
    """Log a warning if the app has no task once its modules are imported."""
    app = found.app
    if app.tasks:
        return
    name, folder = _name_by_package(found)
    if name == found.module:
        app.logger.warning(
            "this runner knows no task: import the modules with tasks in the module of the app, %s, or start the "
            "runner with --import MODULE",
            _LISTED,
        )
        return
    spec = name if found.variable == "app" else f"{name}:{found.variable}"
    app.logger.warning(
        "this runner knows no task: the module of the app is imported as %s, but it is in the package %s. Run "
        "`pynenc --app %s runner start` in the folder %s, or %s",
        found.module,
        Path(found.file).absolute().parent,
        spec,
        folder,
        _LISTED,
    )


def _name_by_package(found: FoundApp) -> tuple[str, Path]:
    """Return the full name of the app's module, and the folder that contains its outermost package."""
    if not found.file:
        return found.module, Path()
    file = Path(found.file).absolute()
    folder = file.parent
    parts = [] if file.stem == "__init__" else [file.stem]
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        parts.insert(0, folder.name)
        folder = folder.parent
    whole = all(part.isidentifier() for part in parts)
    return (".".join(parts) if whole and len(parts) > 1 else found.module), folder
