"""Threads that the import of an app has started, and that worker processes are forked without."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path


def threads_lost_by_forks() -> list[str]:
    """Return their names; `native` for each that Python does not know.

    Those of OpenBLAS, which `import numpy` starts, are left out: it ends them before a fork and starts them again when
    they are needed.
    """
    names = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    with contextlib.suppress(OSError):
        native = len(os.listdir("/proc/self/task")) - 1 - len(names)
        if native > 0:
            native = harmful(native, Path("/proc/self/maps").read_text(errors="replace"), os.cpu_count() or 1)
        names += ["native"] * native
    return names


def harmful(native: int, maps: str, cpus: int) -> int:
    """How many of so many native threads a fork loses for good, given the libraries that the process has mapped."""
    return max(0, native - (cpus - 1)) if "openblas" in maps else native
