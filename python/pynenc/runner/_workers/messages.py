"""What the runner does with the messages of its worker processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pynenc.runner._workers.worker_handle import Limited, claim_without_arguments
from pynenc.util import clock

if TYPE_CHECKING:
    from pynenc.runner._workers.channel import Message
    from pynenc.runner._workers.pool import WorkerPool
    from pynenc.runner._workers.worker_handle import WorkerHandle


def receive(pool: WorkerPool, worker: WorkerHandle, message: Message) -> None:
    """Note in `worker` what it has sent."""
    if "ready" in message:
        worker.key, worker.idle_since = message["ready"], clock.monotonic()
        pool.deaths.ready()
    if "done" in message:
        worker.done, worker.live, worker.waits = message["done"], message["live"], message["waits"]
        worker.idle_since = None if worker.live else clock.monotonic()
        if not worker.spent and 0 < pool.conf.max_rss_mb <= message["rss"]:
            worker.spent = f"uses {message['rss']:.0f} MB"
    if "limit" in message:
        fields, seconds, cancelled_after = message["limit"]
        claim = claim_without_arguments(fields)
        worker.limited[claim.invocation_id] = Limited(claim, clock.monotonic() + seconds, cancelled_after)
    if "over" in message:
        worker.limited.pop(message["over"], None)
    if "decoding" in message:
        invocation_id, seconds = message["decoding"]
        worker.decoding[invocation_id] = clock.monotonic() + seconds
    if "decoded" in message:
        worker.decoding.pop(message["decoded"], None)
    if "spent" in message and not worker.spent:
        worker.spent = message["spent"]
    worker.bye = worker.bye or "bye" in message
    worker.last_words = message.get("died", worker.last_words)
    engine = pool.session.engine
    if "deaf" in message and engine is not None:
        # If the store works from here, a body may have cut its worker off.
        worker.deaf = engine.failing_sec() > 0
