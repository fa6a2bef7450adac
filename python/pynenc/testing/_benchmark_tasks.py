"""The tasks of runner benchmarks, in a separate module so that worker processes can import them."""

from __future__ import annotations

import os
import time

from pynenc.app import Pynenc

APP_VARIABLE = "PYNENC_BENCHMARK_APP"
"""Names the app, here and in the worker processes."""

app = Pynenc(app_id=os.environ.get(APP_VARIABLE, "pynenc-benchmark"))


@app.task
def noop(value: int) -> int:
    """Do nothing."""
    return value


@app.task
def started() -> float:
    """When the body began."""
    return time.time()


@app.task
def occupy(seconds: float) -> tuple[float, float]:
    """Hold a slot for so long; from when to when."""
    began = time.time()
    time.sleep(seconds)
    return began, time.time()
