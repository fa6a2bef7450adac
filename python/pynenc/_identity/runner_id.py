"""The id of a runner, and of a process that runs nothing."""

from __future__ import annotations

import os
import socket


class RunnerId(str):
    """The id of a runner: a `str` that may also be called, for both spellings are in use."""

    def __call__(self) -> str:
        return self


def client_id(name: str = "ExternalRunner") -> RunnerId:
    """Return the id of a process that runs nothing, `ExternalRunner@<host>-<pid>`. A forked child has another id."""
    return RunnerId(f"{name}@{socket.gethostname()}-{os.getpid()}")
