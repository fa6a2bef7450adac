"""The name under which a file of the app is imported, so that its tasks have the ids that their clients use."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def module_name(file: Path, working_folder: Path) -> tuple[str, Path]:
    """Return the dotted name of a file, and the folder that must be on `sys.path` for it. Reads text, imports nothing.

    Folders with an `__init__.py` count as packages. If the working folder is one of them, the imports of its modules
    decide: they see each other as `tasks`, like a script in that folder, or as `shop.tasks` and `.tasks`.
    """
    parts = [] if file.stem == "__init__" else [file.stem]
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        if folder == working_folder and parts and not _is_seen_as_package(folder, file):
            break
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts), folder


def _is_seen_as_package(folder: Path, file: Path) -> bool:
    """Return whether the modules of `folder` import each other as parts of a package."""
    package = folder
    while (package.parent / "__init__.py").is_file() and package != package.parent:
        package = package.parent
    top = package.name
    beside = sorted(entry for entry in folder.glob("*.py") if entry.name != "__init__.py")
    if _imports_relatively(file, len(file.relative_to(folder).parts) - 1, top):
        return True
    if any(_imports_relatively(entry, 0, top) for entry in beside):
        return True
    names = {entry.stem for entry in beside} - {top}
    if any(names.intersection(name.partition(".")[0] for _, name in _imports(entry)) for entry in beside):
        return False
    return _imports_relatively(folder / "__init__.py", 0, top)


def _imports_relatively(file: Path, depth: int, top: str) -> bool:
    """Return whether a file, so many folders below the working folder, imports from the package that this folder is."""
    return any(level > depth or (not level and name.partition(".")[0] == top) for level, name in _imports(file))


def _imports(file: Path) -> Iterator[tuple[int, str]]:
    """Yield `(level, module)` of each import in a file; level 0 is an absolute import."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""
        elif isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
