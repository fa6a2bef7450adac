"""Refuse files that other users have a hand in, as ssh does: configuration, and the database.

Whoever writes a configuration file decides what a process of ours opens and runs; whoever writes the database decides
what its runners do. A file may belong to this user, to root, or to somebody whose code this process runs anyway (a
container that runs as root on a folder of yours, with your modules in it).
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
    """Whether the code or the environment says that the files of other users may be used. Files have no say in it."""
    if any(os.environ.get(variable, "").strip().lower() in _TRUE for variable in _VARIABLES):
        return True
    given = config_values.get(FIELD)
    return given is True or (isinstance(given, str) and given.strip().lower() in _TRUE)


def foreign_hand(path: Path) -> str | None:
    """In words, which other user has a hand in this file or folder, and the remedy; None if none has, or it is missing.

    Only where files have owners (POSIX).
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
    """In words, who can read this file beside its owner; None if nobody can, or it is missing."""
    try:
        found = path.stat()
    except OSError:
        return None
    mode = stat.S_IMODE(found.st_mode)
    if not hasattr(os, "geteuid") or not mode & stat.S_IROTH:
        return None
    return f"{str(path)!r} can be read by every user of this machine (mode {mode:04o})"


def _is_private_group(owner: int, group: int) -> bool:
    """Whether nobody but its owner is in the group of a file: many systems give each user such a group."""
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
    """The users whose code this process runs: the owners of what it has imported."""
    owners: set[int] = set()
    for module in sys.modules.copy().values():
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            try:
                owners.add(os.stat(file).st_uid)
            except OSError:
                continue
    return owners
