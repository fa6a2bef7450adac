"""Check the file of a SQLite store before it is opened: who owns it, and who may write or read it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pynenc.conf.ownership import exposure, foreign_hand
from pynenc.exceptions import ConfigError

if TYPE_CHECKING:
    from pynenc.conf.config_pynenc import ConfigPynenc

_SIDECARS = ("", "-wal", "-shm", "-journal")
_DEFAULT_FOLDER = ".pynenc"


def absolute_url(url: str) -> str:
    """Return the URL of a SQLite store with an absolute path, for messages; other URLs unchanged."""
    scheme, _, name = url.partition(":///")
    return f"{scheme}:///{Path(name).absolute()}" if scheme == "sqlite" and name else url


def check_database(url: str, conf: ConfigPynenc, logger: logging.Logger) -> None:
    """Refuse a database of another user, warn of one that every user may read, and log the path of a new one.

    A client in another working folder than its runners creates a separate store and would wait there forever.

    The check covers the file, the files that SQLite keeps beside it, and the folder `.pynenc`.

    Raises:
        ConfigError: names the file, the user and the remedy.
    """
    scheme, _, name = url.partition(":///")
    if scheme != "sqlite":
        return
    file = Path(name)
    if not conf.allow_foreign_files:
        folder = [file.absolute().parent] if file.absolute().parent.name == _DEFAULT_FOLDER else []
        for path in (*folder, *(file.with_name(file.name + suffix) for suffix in _SIDECARS)):
            problem = foreign_hand(path)
            if problem is not None:
                what = "the folder of the database" if path in folder else "the database"
                raise ConfigError(f"{what} {problem}")
    if not file.exists():
        logger.info("making a new store, because there is none at %s", file.absolute())
    shown = exposure(file)
    if shown is not None:
        logger.warning(
            "the database %s, with all arguments and results: chmod 600 it, and make backups with umask 077", shown
        )
