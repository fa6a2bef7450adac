"""Dev mode: the status of an invocation, and its history."""

from __future__ import annotations

import time

from pynenc.invocation.status import InvocationStatus

BEGUN = (InvocationStatus.PENDING, InvocationStatus.RUNNING)
"""Yield the changes at the start of a body, as on a runner."""


class StatusChanges:
    """The part of `ConcurrentInvocation` that keeps its status changes. The last one is the status."""

    __slots__ = ()

    _changes: list[tuple[InvocationStatus, float]]

    @property
    def _status(self) -> InvocationStatus:
        return self._changes[-1][0]

    def _become(self, *statuses: InvocationStatus) -> None:
        self._changes.extend([(status, time.time()) for status in statuses])

    def changes(self) -> list[tuple[InvocationStatus, float]]:
        """Return each status with the time at which it began, oldest first.

        Returns:
            Pairs of status and time, in seconds of `time.time()`.
        """
        return list(self._changes)
