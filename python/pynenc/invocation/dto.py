"""An invocation as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pynenc.identifiers import CallId, InvocationId, WorkflowIdentity


@dataclass(frozen=True)
class InvocationDTO:
    """An invocation as data."""

    invocation_id: InvocationId
    """Its id."""
    call_id: CallId
    """The id of its call."""
    workflow: WorkflowIdentity | None = None
    """None: this build has no workflows."""
    parent_invocation_id: InvocationId | None = None
    """The invocation whose body made the call; None for a call from outside."""
    parent_event_id: str | None = None
    """None: this build has no triggers."""
