"""What a process does before it runs its first body: new random numbers, and what the app asks for."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from pynenc._kernel.runtime import runtime_of
from pynenc.exceptions import RunnerError

if TYPE_CHECKING:
    from pynenc._kernel.shapes import AppShape


def reseed() -> None:
    """Seed the generators that all forks of a process share and that can be found; CPython does it for `random`."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        with contextlib.suppress(Exception):
            # The global one; it takes its seed from the system.
            numpy_random.seed()


def call_worker_starts(app: AppShape) -> None:
    """Call what the app has registered by `on_worker_start`, in that order.

    Raises:
        RunnerError: one of them raised; names it.
    """
    for function in runtime_of(app).worker_starts:
        try:
            function()
        except Exception as error:
            name = f"{function.__module__}.{getattr(function, '__qualname__', function)}"
            raise RunnerError(f"on_worker_start: {name} raised {type(error).__name__}: {error}") from error
