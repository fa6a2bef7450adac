"""A worker process as its runner knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from pynenc._engine.running import Claim
from pynenc.runner._workers.silence import Answers
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc._execute.outcome import Outcome
    from pynenc.runner._workers.channel import Channel


class Limited(NamedTuple):
    """A body that may not run for ever."""

    claim: Claim
    kill_at: float
    cancelled_after: float | None
    """How long it was given when it was cancelled; None if its time limit is what ends it."""
    outcome: Outcome | None = None
    """The outcome to record when the worker is killed; None before the first attempt."""


def claim_without_arguments(fields: list[Any]) -> Claim:
    """Make a claim of what a worker has sent of it; its arguments stay in the worker."""
    fields.insert(3, b"")
    return Claim(*fields)


@dataclass
class WorkerHandle:
    """One worker process, as its runner knows it."""

    number: int
    channel: Channel
    pid: int = 0
    """0 until the zygote has forked it."""
    key: str = ""
    """Owner of its claims; empty until it is ready."""
    born: float = field(default_factory=clock.monotonic)
    spent: str = ""
    """Why it shall be replaced; empty while it is good."""
    told: bool = False
    """Whether it was told to stop."""
    bye: bool = False
    """Whether it said that it has settled or handed back everything."""
    last_words: str = ""
    """Why it ended itself; empty if it did not say."""
    killed: str = ""
    """Why we killed it; empty if we did not."""
    limited: dict[str, Limited] = field(default_factory=dict)
    """Bodies on its threads that have a time limit, by invocation."""
    decoding: dict[str, float] = field(default_factory=dict)
    """When it is killed if it has not decoded the arguments of an invocation by then."""
    doomed: str = ""
    """Why we killed it, where that counts as a death of what it ran."""
    solo: bool = False
    """Whether it runs only what runs alone in its process."""
    deaf: bool = False
    """Whether it ended because the store fails, from here too."""
    done: int = 0
    live: int = 0
    waits: int = 0
    """How many of its live bodies wait for others."""
    idle_since: float | None = None
    answers: Answers = field(default_factory=Answers)
    """Whether it answers."""
    state: str = ""
    """For runners that keep the slots themselves."""

    def deadlines(self) -> list[float]:
        """When it is killed, by the monotonic clock, if what it does has not ended by then."""
        return [*(one.kill_at for one in self.limited.values()), *self.decoding.values()]

    @property
    def is_present(self) -> bool:
        """Whether it may take work now: neither told to stop nor frozen."""
        return not self.told and not self.answers.silent

    @property
    def is_good(self) -> bool:
        """Whether it may take work now and later."""
        return self.is_present and not self.spent
