"""Run pytest twice: first the tests that may run in parallel, then the tests that need the machine for themselves.

Usage: suite.py REPORT_FOLDER [arguments for pytest]. Most tests wait, for leases and for processes to start, so there
is one worker more than there are cores. PYNENC_TEST_WORKERS=n changes that; 0 runs everything in one process.
"""

import os
import subprocess
import sys
from pathlib import Path

MOST_WORKERS = 8
NOTHING_SELECTED = 5
"""The exit code of pytest if the arguments select no test; one of the two halves may be empty."""


def workers() -> int:
    """How many processes run tests side by side."""
    chosen = os.environ.get("PYNENC_TEST_WORKERS")
    return int(chosen) if chosen else min(len(os.sched_getaffinity(0)) + 1, MOST_WORKERS)


def run(folder: Path, name: str, *arguments: str) -> int:
    """Run pytest once with its report in `pytest-<name>.xml`; return its exit code."""
    report = folder / f"pytest-{name}.xml"
    return subprocess.call([sys.executable, "-m", "pytest", "-q", f"--junit-xml={report}", *arguments])


def verdict(codes: list[int]) -> int:
    """Return the first exit code that is not "no test was selected"; that code if both halves have it."""
    return next((code for code in codes if code not in (0, NOTHING_SELECTED)), min(codes))


def main(folder: Path, arguments: list[str]) -> int:
    """0 if whatever was selected passed."""
    spread = ["-n", str(workers()), "--dist", "worksteal"]
    return verdict(
        [
            run(folder, "beside", "--alone=without", *spread, *arguments),
            run(folder, "alone", "--alone=only", *arguments),
        ]
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
