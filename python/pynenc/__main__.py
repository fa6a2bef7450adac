"""`python -m pynenc`: the command line."""

from __future__ import annotations

import os
import sys


def _put_working_folder_last() -> None:
    """`-m` puts it first, where a `signal.py` would be taken for Python's; it comes first again for the app."""
    try:
        folder = os.getcwd()
    except OSError:
        return
    if sys.path and sys.path[0] == folder:
        sys.path.append(sys.path.pop(0))


if __name__ == "__main__":
    _put_working_folder_last()

    from pynenc.cli import main

    sys.exit(main())
