"""Names of pynenc's runner package for processes that run nothing, and for its elected service."""

from __future__ import annotations

from typing import Any

from pynenc._identity.runner_context import RunnerContext
from pynenc._identity.runner_id import RunnerId, client_id
from pynenc.exceptions import NotOfferedError
from pynenc.runner.base_runner import DummyRunner


class ExternalRunner(DummyRunner):
    """A `DummyRunner` by another name: code outside of any runner, such as a client or a web server, appears under it.

    It submits and waits. Each method that would run something raises `RunnerNotExecutableError`.

    Args:
        app: the app; the runner becomes its runner.
    """

    @property
    def runner_id(self) -> RunnerId:
        """`ExternalRunner@<host>-<pid>`, equal at each read; a forked child has its own."""
        return client_id(type(self).__name__)

    @staticmethod
    def get_default_external_runner_context() -> RunnerContext:
        """Return the identity of this process as a client.

        Returns:
            The identity.
        """
        return RunnerContext("ExternalRunner", str(client_id()))


class AtomicServiceRun:
    """pynenc's record of an elected service. No runner is elected here: making one raises `NotOfferedError`.

    Args:
        *args: not used.
        **kwargs: not used.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotOfferedError(
            "AtomicServiceRun: this build elects no runner for a service. Runners recover by leases; see lease_sec."
        )
