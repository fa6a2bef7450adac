"""What a runner is told of the bodies that run on its threads."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pynenc.exceptions import RunnerError

if TYPE_CHECKING:
    from pynenc import _core


class BodyHooks:
    """The part of `BaseRunner` that bodies call. Runners with worker processes override most of it."""

    _engine: _core.Engine | None

    def _wake_body(self, claim: _core.Claim) -> None:
        """Something was raised in the body of `claim`: it shall not wait any longer in Rust, where that is not seen."""
        engine = self._engine
        if engine is not None:
            with contextlib.suppress(RunnerError):
                engine.interrupt(claim.invocation_id)

    def _limit_begins(self, claim: _core.Claim, seconds: float, cancelled_after: float | None) -> None:
        """A body that runs on a thread here is given up in so many seconds."""

    def _limit_ends(self, claim: _core.Claim) -> None:
        """A body for which that was said, or could have been, has ended."""

    def _decoding_begins(self, claim: _core.Claim, seconds: float) -> None:
        """The arguments of `claim` are decoded on a thread here, which may take so many seconds."""

    def _decoding_ends(self, claim: _core.Claim) -> None:
        """The arguments for which that was said are decoded."""
