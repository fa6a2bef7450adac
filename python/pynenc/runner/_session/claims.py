"""Runs the claims that a user's runner has taken with `get_invocations_to_run`."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from pynenc._engine.outcomes import STALE
from pynenc._execute.execution import execute
from pynenc._execute.outcome import begin_claim, runner_of, settle_claim
from pynenc._wait.target import claim_of, limit_of
from pynenc.exceptions import InvocationNotFoundError, InvocationStatusOwnershipError, RunnerError

if TYPE_CHECKING:
    from pynenc.invocation.dist_invocation import DistributedInvocation


def run_claimed(invocation: DistributedInvocation[Any, Any], runner_args: dict[str, Any] | None = None) -> None:
    """What `invocation.run(runner_args)` does: begin, execute, settle, on the calling thread.

    Returns when the store has the outcome. A claim that was lost meanwhile is logged, not raised: another run counts.

    Raises:
        RunnerError: this invocation was not handed out by `get_invocations_to_run`.
        StateBackendError: the store did not take the outcome for as long as a lease lives.
    """
    app, claim = invocation.app, claim_of(invocation)
    if claim is None:
        raise RunnerError(
            f"invocation {invocation.invocation_id} is not claimed by this process, so it cannot run here: "
            "run() is for invocations that app.orchestrator.get_invocations_to_run(n) has handed out"
        )
    session = runner_of(app)._session
    engine = session.engine
    try:
        begin_claim(app, claim, engine)
    except (InvocationStatusOwnershipError, InvocationNotFoundError) as error:
        app.logger.warning("invocation %s is not run here: %s", claim.invocation_id, error)
        return
    started = time.time()
    with contextlib.nullcontext() if session.liveness is None else session.liveness.body():
        outcome = execute(session.runtime, claim, session.hooks, runner_args, invocation)
    limit = limit_of(invocation)
    if limit is not None and limit.stage == "gave up":
        app.logger.warning("the body of invocation %s, which was abandoned, has ended", claim.invocation_id)
        return
    if settle_claim(app, claim, outcome, engine, started) == STALE:
        app.logger.warning(
            "the outcome of invocation %s was refused: its claim was lost meanwhile, and another run of it counts",
            claim.invocation_id,
        )
