"""What relative paths among the settings are relative to: the working folder in which the app was made.

A process may change its working folder later; its settings and its store stay where they are.
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
    """Return `path` as it is seen from `folder`."""
    return os.path.join(folder, path) if folder else path
