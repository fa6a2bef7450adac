"""Find the distributions in the folders of `sys.path`."""

from __future__ import annotations

import os
import sys


def search_path() -> list[str]:
    """Return the entries of `sys.path` that count: the import system ignores a `pathlib.Path` and bytes there."""
    entries: list[object] = [*sys.path]
    return [entry for entry in entries if isinstance(entry, str)]


def metadata_folder(distribution: str) -> str | None:
    """Where a distribution is installed, from the names in the folders of `sys.path`; None if it is not.

    `importlib.metadata` would answer too, but importing it takes longer than everything else here together.
    """
    # Every other `-` in these names is written as `_`, so the text after this one is the version.
    prefix = f"{distribution}-"
    for folder in search_path():
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            if name.startswith(prefix) and name.endswith((".dist-info", ".egg-info")):
                return os.path.join(folder, name)
    return None
