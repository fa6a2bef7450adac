"""What the execution of a body asks of its runner, and what it tells the runner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._execute.bodies import Bodies
    from pynenc._execute.ends_log import EndsLog
    from pynenc._execute.outcome import Outcome


class BodyHooks(Protocol):
    """The hooks of one runner, called on the threads that run bodies."""

    runner: Any
    """The runner that the body sees as the current one."""

    ends_log: EndsLog | None
    """Logs the end of each invocation; None if the settings leave such lines out."""

    @property
    def bodies(self) -> Bodies:
        """The bodies that run now."""

    def wake(self, claim: _core.Claim) -> None:
        """End a wait of this body in Rust, where an exception that was raised in its thread does not arrive."""

    def limit_begins(self, claim: _core.Claim, seconds: float, cancelled_after: float | None) -> None:
        """This body, which runs on a thread here, is given up after so many seconds."""

    def limit_ends(self, claim: _core.Claim) -> None:
        """This body has ended. Also called for bodies without a limit that were cancelled."""

    def decoding_begins(self, claim: _core.Claim, seconds: float) -> None:
        """Decoding the arguments of this claim has begun on a thread here, and may take so many seconds."""

    def decoding_ends(self, claim: _core.Claim) -> None:
        """Decoding has ended, after `decoding_begins`."""

    def give_up(self, claim: _core.Claim, outcome: Outcome) -> None:
        """Settle a body that does not stop. Called on the thread that keeps the time for all bodies: must not block."""
