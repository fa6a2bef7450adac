"""Hold the lock of an SQLite database: raise the flag `locked`, and let go when the flag `unlock` is raised.

Usage: python -m support.programs.hold_lock <path of the database> <number that ends the names of the flags>
"""

from __future__ import annotations

import sqlite3
import sys

from support import flags


def main(path: str, number: str) -> None:
    database = sqlite3.connect(path, timeout=60, isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    flags.raise_flag(f"locked-{number}")
    flags.await_flag(f"unlock-{number}")
    database.execute("ROLLBACK")
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
