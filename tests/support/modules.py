"""Modules that a test writes and imports."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def forgotten_modules() -> Iterator[None]:
    """Undo the imports and path entries of the block after it."""
    modules, path = set(sys.modules), list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if not name.startswith("pynenc"):
                del sys.modules[name]


def write_file(name: str, text: str) -> Path:
    """Write a file in the working folder, with its parent folders."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
