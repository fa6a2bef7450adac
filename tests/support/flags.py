"""Named flags as files: how a test and the bodies it started tell each other where they are, also across processes."""

from __future__ import annotations

import os
from pathlib import Path

from support.waiting import wait_until

DIR_VARIABLE = "TESTS_FLAG_DIR"


def _path(name: str) -> Path:
    return Path(os.environ[DIR_VARIABLE]) / f"flag-{name}"


def raise_flag(name: str, text: str = "") -> None:
    """Raise the flag `name`; a reader of the flag sees the whole text."""
    path = _path(name)
    part = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    part.write_text(text)
    os.replace(part, path)


def is_raised(name: str) -> bool:
    """Whether it was."""
    return _path(name).exists()


def flag_text(name: str) -> str:
    """Return the text of a flag."""
    return _path(name).read_text()


def await_flag(name: str, deadline_sec: float = 60.0) -> str:
    """Block until `name` is raised; its text. Raises `AssertionError` at the deadline."""
    wait_until(lambda: is_raised(name), f"flag {name!r}", deadline_sec)
    return flag_text(name)
