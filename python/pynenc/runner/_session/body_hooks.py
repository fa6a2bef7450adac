"""The hooks that bodies on threads of this process call."""

from __future__ import annotations

import contextlib
import threading
from functools import cached_property
from typing import TYPE_CHECKING

from pynenc._execute.outcome import settle_claim
from pynenc.exceptions import RunnerError

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._execute.bodies import Bodies
    from pynenc._execute.ends_log import EndsLog
    from pynenc._execute.outcome import Outcome
    from pynenc.runner._session.session import RunnerSession


class SessionHooks:
    """`BodyHooks` of a runner whose bodies run in this process, on threads of its own."""

    def __init__(self, session: RunnerSession) -> None:
        self.session = session
        self.runner = session.runner
        self.ends_log: EndsLog | None = None

    @cached_property
    def bodies(self) -> Bodies:
        """The bodies that run now."""
        # Imported here: it needs asyncio, which takes longer to import than all the rest; clients do without.
        from pynenc._execute.bodies import Bodies

        return Bodies(self)

    def wake(self, claim: _core.Claim) -> None:
        """End a wait of this body in Rust."""
        engine = self.session.engine
        if engine is not None:
            with contextlib.suppress(RunnerError):
                engine.interrupt(claim.invocation_id)

    def limit_begins(self, claim: _core.Claim, seconds: float, cancelled_after: float | None) -> None:
        """Nothing: the timer of this process gives the body up."""

    def limit_ends(self, claim: _core.Claim) -> None:
        """Nothing."""

    def decoding_begins(self, claim: _core.Claim, seconds: float) -> None:
        """Nothing: this process cannot end a decoder that holds the GIL."""

    def decoding_ends(self, claim: _core.Claim) -> None:
        """Nothing."""

    def give_up(self, claim: _core.Claim, outcome: Outcome) -> None:
        """Settle the body on a thread of its own, since the store may block."""
        session, engine = self.session, self.session.engine

        def settle() -> None:
            try:
                settle_claim(session.app, claim, outcome, engine)
            except Exception:
                session.logger.exception("could not record that invocation %s is abandoned", claim.invocation_id)

        threading.Thread(target=settle, name="pynenc-abandon", daemon=True).start()
