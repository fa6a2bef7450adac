"""Refuse configuration files and databases that other users own or may write, as ssh does.

The writer of a configuration file decides what a process opens and runs; the writer of the database decides what
runners do. A file may belong to the current user, to root, or to a user whose code this process runs anyway (a
container that runs as root on your folder with your modules).
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FIELD = "allow_foreign_files"
_VARIABLES = ("PYNENC__ALLOW_FOREIGN_FILES", "PYNENC__CONFIGPYNENC__ALLOW_FOREIGN_FILES")
_TRUE = ("true", "1", "yes", "on")


def allows_foreign_files(config_values: Mapping[str, Any]) -> bool:
    """Return whether the code or the environment allows files of other users. Files cannot allow them."""
    if any(os.environ.get(variable, "").strip().lower() in _TRUE for variable in _VARIABLES):
        return True
    given = config_values.get(FIELD)
    return given is True or (isinstance(given, str) and given.strip().lower() in _TRUE)


def foreign_hand(path: Path) -> str | None:
    """Describe the other user who owns or may write a file or folder, and the remedy; None if there is none.

    Returns None for a missing file, and on systems where files have no owners.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    if not hasattr(os, "geteuid"):
        return None
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid not in (0, os.geteuid()) and found.st_uid not in _owners_of_code():
        return (
            f"{str(path)!r} belongs to another user (uid {found.st_uid}, this process has {os.geteuid()}), who could "
            f"make this process do anything: chown it, or allow it with {FIELD}=True in code or {_VARIABLES[0]}=1"
        )
    others = "other users" if mode & stat.S_IWOTH else ""
    if mode & stat.S_IWGRP and not _is_private_group(found.st_uid, found.st_gid):
        others = others or f"the members of its group (gid {found.st_gid})"
    if not others:
        return None
    return (
        f"{str(path)!r} can be written by {others} (mode {mode:04o}), who could make this process do anything: "
        f"chmod go-w it, or allow it with {FIELD}=True in code or {_VARIABLES[0]}=1"
    )


def exposure(path: Path) -> str | None:
    """Describe the other users who can read this file; None if only the owner can, or the file is missing."""
    try:
        found = path.stat()
    except OSError:
        return None
    mode = stat.S_IMODE(found.st_mode)
    if not hasattr(os, "geteuid") or not mode & stat.S_IROTH:
        return None
    return f"{str(path)!r} can be read by every user of this machine (mode {mode:04o})"


def _is_private_group(owner: int, group: int) -> bool:
    """Return whether the owner of a file is the only user in its group; many systems create such groups."""
    import grp
    import pwd

    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = ""
    try:
        members = set(grp.getgrgid(group).gr_mem)
    except KeyError:
        members = set()
    return members <= {name} and all(one.pw_uid == owner for one in pwd.getpwall() if one.pw_gid == group)


def _owners_of_code() -> set[int]:
    """Return the users whose code this process runs: the owners of the imported modules."""
    owners: set[int] = set()
    for module in sys.modules.copy().values():
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            try:
                owners.add(os.stat(file).st_uid)
            except OSError:
                continue
    return owners
