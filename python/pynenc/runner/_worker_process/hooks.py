"""The hooks of bodies in a worker process: the runner kills the process for a body that holds the GIL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pynenc.runner._session.body_hooks import SessionHooks

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._execute.outcome import Outcome
    from pynenc.runner._session.session import RunnerSession
    from pynenc.runner._workers.channel import Channel

_LAST_RESORT_SEC = 5.0
"""How much longer a worker with several bodies lives if one of them holds the GIL, so that it cannot be given up."""


class WorkerHooks(SessionHooks):
    """Reports limits to the runner."""

    def __init__(self, session: RunnerSession, channel: Channel, dies_for_one: bool) -> None:
        """
        Args:
            dies_for_one: whether this process is killed for a body that does not stop, since there is no other body.
        """
        super().__init__(session)
        self._channel = channel
        self._dies_for_one = dies_for_one
        self._limited: set[str] = set()
        """Bodies that the runner gives up at some time."""

    def limit_begins(self, claim: _core.Claim, seconds: float, cancelled_after: float | None) -> None:
        """Have the runner kill this process if the body still runs after so long."""
        # The claim without its arguments.
        fields = (
            claim.invocation_id, claim.fence, claim.task_id, claim.parent_id, claim.depth, claim.queue,
            claim.retries, claim.recoveries, claim.releases,
        )  # fmt: skip
        kill_after = seconds + (0.0 if self._dies_for_one else _LAST_RESORT_SEC)
        self._limited.add(claim.invocation_id)
        self._channel.send({"limit": (fields, kill_after, cancelled_after)})

    def limit_ends(self, claim: _core.Claim) -> None:
        """Take `limit_begins` back."""
        if claim.invocation_id in self._limited:
            self._limited.discard(claim.invocation_id)
            self._channel.send({"over": claim.invocation_id})

    def decoding_begins(self, claim: _core.Claim, seconds: float) -> None:
        """Have the runner kill this process if the arguments are not decoded after so long."""
        self._channel.send({"decoding": (claim.invocation_id, seconds)})

    def decoding_ends(self, claim: _core.Claim) -> None:
        """Take `decoding_begins` back."""
        self._channel.send({"decoded": claim.invocation_id})

    def give_up(self, claim: _core.Claim, outcome: Outcome) -> None:
        """Settle a body that does not stop, and ask for a replacement of this process."""
        # Otherwise the runner kills this process at the same time, so that nothing of the body is left.
        slot_threads = self.session.slot_threads
        if not self._dies_for_one and slot_threads is not None:
            slot_threads.give_up(claim, outcome)
            self.limit_ends(claim)
            self._channel.send({"spent": "has a body that does not stop"})
