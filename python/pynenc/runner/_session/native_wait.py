"""What the built-in runners that run share: waits that stay in Rust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pynenc.runner.base_runner import BaseRunner

if TYPE_CHECKING:
    from pynenc.invocation.dist_invocation import DistributedInvocation

_WAIT_SLICE_SEC = 5.0
"""How long `waiting_for_results` blocks when nothing finishes."""


class NativeWaitRunner(BaseRunner):
    """A runner whose waits go through `_wait`; `waiting_for_results` is there for those who call it themselves."""

    _native_wait = True

    def waiting_for_results(
        self,
        running_invocation: DistributedInvocation[Any, Any] | None,
        result_invocation: list[DistributedInvocation[Any, Any]],
        runner_args: dict[str, Any] | None = None,
    ) -> None:
        """Block until one of the invocations is final, for some seconds at most; inside a body its slot is lent out."""
        outside = self.conf.invocation_wait_results_sleep_time_sec
        self._wait_slice(
            result_invocation, outside if running_invocation is None else _WAIT_SLICE_SEC, running_invocation
        )
