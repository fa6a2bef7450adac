"""The machine and the versions of a benchmark, without which its numbers are worthless."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import subprocess
import time
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def facts() -> dict[str, Any]:
    """Commit, machine, versions, and how busy the machine was with other things before anything started here."""
    from pynenc import _core

    return {
        "commit": _git("rev-parse", "--short=10", "HEAD")
        + ("+changes" if _git("status", "--porcelain", "-uno") else ""),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "pynenc_rs": metadata.version("pynenc-rs"),
        "redis": redis_version(),
        "sqlite": _core.SQLITE_VERSION,
        "sqlite_of_python": sqlite3.sqlite_version,
        "load_before": round(os.getloadavg()[0], 2),
    }


def redis_version() -> str:
    """Return the version of the server on the PATH; empty without one."""
    program = shutil.which("redis-server")
    if program is None:
        return ""
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"v=([\d.]+)", text)
    return found[1] if found else ""


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
