"""Which threads that an import has started are worth a warning to runners that fork worker processes."""

from __future__ import annotations

import threading

import pytest

from pynenc.runner._workers.import_threads import harmful, threads_lost_by_forks

NUMPY = "7f00-7f01 r-xp 0 08:01 1 /site-packages/numpy.libs/libscipy_openblas64_-ff651d7f.so\n"
OTHER = "7f00-7f01 r-xp 0 08:01 1 /lib/libc.so.6\n"


@pytest.mark.parametrize(
    ("native", "maps", "expected"), [(3, NUMPY, 0), (3, OTHER, 3), (5, NUMPY, 2), (1, NUMPY + OTHER, 0), (0, OTHER, 0)]
)
def test_threads_of_openblas_are_harmless(native: int, maps: str, expected: int) -> None:
    assert harmful(native, maps, cpus=4) == expected


def test_a_thread_of_python_is_named() -> None:
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="made-at-import")
    thread.start()
    try:
        assert "made-at-import" in threads_lost_by_forks()
    finally:
        release.set()
        thread.join()
