"""What the rooms below the runners ask of a runner: its session, by public names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pynenc import _core


class Waiting(Protocol):
    """The waits of the bodies of a runner, and of its process outside of bodies."""

    @property
    def lender(self) -> _core.Engine | None:
        """The engine that lends out the slot of a body on an event loop; None where `parked` has to be entered."""

    def parked(self, current: Any, waiter: _core.Waiter) -> contextlib.AbstractContextManager[None]:
        """Within this block the body of `current` waits, with its slot lent out."""

    def log_lost_claim(self, current: Any) -> None:
        """Log that the claim of a body was lost while the body waited."""

    def wait(
        self,
        current: Any,
        waiter: _core.Waiter,
        timeout: float | None,
        targets: Callable[[], Sequence[Any]] | None = None,
    ) -> list[_core.Terminal]:
        """Wait until `waiter` yields something; empty at the timeout, in seconds."""

    def wait_at_most(self, targets: list[Any], seconds: float, current: Any) -> None:
        """Block until one of `targets` is final, or `seconds` have passed."""


class Liveness(Protocol):
    """Whether a loop that a user has written is alive."""

    def beat(self) -> None:
        """The loop gives a sign of life."""


class Session(Protocol):
    """The session of a runner, as far as submitting, waiting and the views need it."""

    is_built_in: bool
    """Whether the runner, or a base of it, is built in."""
    modules_imported: bool
    """Whether the next start need not import the modules of the tasks."""

    @property
    def engine(self) -> _core.Engine | None:
        """The engine, while the runner runs."""

    @property
    def liveness(self) -> Liveness | None:
        """The liveness of the loop, if a user has written it and it runs."""

    @property
    def waiting(self) -> Waiting:
        """The waits of its bodies."""

    @property
    def waits_in_rust(self) -> bool:
        """Whether a wait stays in Rust: not if a subclass has brought its own `waiting_for_results`."""

    def import_ahead(self) -> None:
        """Import the modules of the app's tasks before the next start."""


class HasSession(Protocol):
    """A runner. Its session is the only private name that it has."""

    @property
    def _session(self) -> Session:
        """The machinery of the runner."""


def session_of(runner: HasSession) -> Session:
    """Return the session of a runner."""
    return runner._session
