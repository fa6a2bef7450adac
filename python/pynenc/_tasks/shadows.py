"""Find user files with the name of a module of the standard library, which may be imported in place of each other."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

_UNUSED = frozenset({"__main__", "antigravity", "idlelib", "lib2to3", "test", "this", "turtledemo"})
"""Modules that no other module imports; many users name the folder of their tests `test`."""


def is_standard(module: str) -> bool:
    """Return whether the standard library has a module of this name that others import."""
    return module in sys.stdlib_module_names and module not in _UNUSED


def shadowing_files(path: Sequence[object]) -> list[str]:
    """Return the files and packages on `path`, ahead of the standard library, that have the name of one of its modules.

    Args:
        path: as `sys.path`. Entries that are no text are ignored, as the import system does.
    """
    found = []
    for folder in ahead_of_the_standard_library(path):
        try:
            names = sorted(os.listdir(folder or "."))
        except OSError:
            continue
        for name in names:
            stem, extension = os.path.splitext(name)
            file = os.path.join(os.path.abspath(folder), name)
            if is_standard(stem) and (extension == ".py" or os.path.isfile(os.path.join(file, "__init__.py"))):
                found.append(file)
    return found


def ahead_of_the_standard_library(path: Sequence[object]) -> list[str]:
    """Return the folders that are searched before the standard library is."""
    folders: list[str] = []
    standard_library = os.path.dirname(os.__file__)
    for entry in path:
        if isinstance(entry, str):
            if os.path.abspath(entry) == standard_library:
                break
            folders.append(entry)
    return list(dict.fromkeys(folders))


def shadow_warning(file: str) -> str:
    """Return the description of one of these files."""
    name = os.path.splitext(os.path.basename(file))[0]
    return (
        f"{file} has the name of module {name} of the standard library: one may be imported in the place of the other, "
        "so rename it"
    )


def shadow_hint(path: Sequence[object]) -> str:
    """Return an addition to the error of an import: the files that may be its cause; empty if there are none."""
    return "".join(f"; {shadow_warning(file)}" for file in shadowing_files(path))
