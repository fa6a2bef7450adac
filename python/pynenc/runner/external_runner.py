"""The runner of a client, under the name that pynenc gives it."""

from __future__ import annotations

import os
import socket

from pynenc.runner.base_runner import DummyRunner, RunnerId


class ExternalRunner(DummyRunner):
    """A `DummyRunner` whose id says that it is no worker: `ExternalRunner@<host>-<pid>`."""

    @property
    def runner_id(self) -> RunnerId:
        """The id; a forked child has its own."""
        return RunnerId(f"{type(self).__name__}@{socket.gethostname()}-{os.getpid()}")
