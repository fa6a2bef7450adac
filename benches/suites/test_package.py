"""The package itself: how large is the wheel, and what does importing it cost?"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_wheel_mb(measured) -> None:
    """Size of the wheel that `make build` has built."""
    [wheel] = (ROOT / "target" / "wheels").glob("*.whl")
    measured.value(lambda: wheel.stat().st_size / 1e6, "MB")


def test_import_ms(measured) -> None:
    """`import pynenc`, above a bare interpreter; the best of 15 each."""

    def least(code: str) -> float:
        taken = []
        for _ in range(15):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            taken.append(time.perf_counter() - began)
        return min(taken) * 1e3

    measured.value(lambda: least("import pynenc") - least("pass"), "ms")
