"""Identify the processes whose numbers this process can look up."""

from __future__ import annotations

import contextlib
import os

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def process_namespace() -> str:
    """Return a text that differs between machines, boots and pid namespaces: equal numbers mean equal processes only
    where it is equal. Empty where the system does not tell.

    Containers may share a host name, and the first pid namespace of every Linux kernel has the same number.
    """
    parts = []
    with contextlib.suppress(OSError):
        with open(_BOOT_ID, encoding="ascii") as file:
            parts.append(file.read().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)
