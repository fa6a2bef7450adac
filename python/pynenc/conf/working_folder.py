"""The folder of relative paths in settings: the working folder at the creation of the app.

A process may change its working folder later; its settings and its store keep their paths.
"""

from __future__ import annotations

import os

_NOT_IN_URLS = frozenset("?#\0")


def working_folder() -> str:
    """Return the absolute path of the working folder; empty if it is gone, or if no store URL can hold its name."""
    try:
        folder = os.getcwd()
        folder.encode()
    except (OSError, UnicodeEncodeError):
        return ""
    return "" if _NOT_IN_URLS.intersection(folder) else folder


def below(folder: str, path: str) -> str:
    """Return `path` joined to `folder`."""
    return os.path.join(folder, path) if folder else path
