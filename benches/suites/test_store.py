"""The verbs of each store, called from Python with no engine between: what does each cost?"""

from __future__ import annotations

import threading

import pytest

from pynenc import _core

BATCH = 100
RUNNER = "bench"
SPEC = _core.TaskSpec("bench_tasks.echo")
CALL = (b'\x01{"value":12345}', "", None, None)


@pytest.fixture
def store(tasks):
    return tasks.app._runtime.store


def test_submit_one(measured, store) -> None:
    """Submit one call, acknowledged."""
    measured.rate(lambda: store.submit(SPEC, [CALL]), 1, rounds=1_000)


def test_submit_batch(measured, store) -> None:
    """Submit 100 calls at once."""
    measured.rate(lambda: store.submit(SPEC, [CALL] * BATCH), BATCH, rounds=100)


def test_claim_batch(measured, store) -> None:
    """Claim 100 of many that wait."""
    for _ in range(60):
        store.submit(SPEC, [CALL] * BATCH)
    measured.rate(lambda: store.claim(RUNNER, BATCH, begin=True), BATCH, rounds=50)


def test_claim_and_settle_one(measured, store) -> None:
    """Claim one and record its result, in two verbs."""
    for _ in range(6):
        store.submit(SPEC, [CALL] * BATCH)

    def one() -> None:
        [claim] = store.claim(RUNNER, 1, begin=True)
        store.settle(claim.invocation_id, claim.fence, _core.SUCCESS, b"\x011")

    measured.rate(one, 1, rounds=500)


def test_wait_for_what_is_finished(measured, store) -> None:
    """Read the outcome of what has finished already."""
    [(invocation_id, _)] = store.submit(SPEC, [CALL])
    [claim] = store.claim(RUNNER, 1, begin=True)
    store.settle(claim.invocation_id, claim.fence, _core.SUCCESS, b"\x011")
    measured.latency(lambda: store.waiter([invocation_id]).wait(10.0, False))


def test_wake_a_waiter(measured, store) -> None:
    """From a settle on one thread to the return of a wait on another."""
    ready, done = threading.Semaphore(0), threading.Semaphore(0)
    ids: list[str] = []
    ended = threading.Event()

    def wait() -> None:
        while not ended.is_set():
            ready.acquire()
            if ids:
                waiter = store.waiter([ids[-1]])
                waiter.ready()
                done.release()
                waiter.wait(30.0, False)
                done.release()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    claims: list[_core.Claim] = []

    def prepare() -> None:
        ids.append(store.submit(SPEC, [CALL])[0][0])
        claims[:] = store.claim(RUNNER, 1, begin=True)
        ready.release()
        done.acquire()

    def wake() -> None:
        store.settle(claims[0].invocation_id, claims[0].fence, _core.SUCCESS, b"\x011")
        done.acquire()

    measured._info["unit"] = "ms"
    measured._benchmark.pedantic(wake, setup=prepare, rounds=200)
    ids.clear()
    ended.set()
    ready.release()
    thread.join(10.0)


def test_slot_ledger(measured, store) -> None:
    """Through the engine's slots: next and settle, on one thread, of 100 that wait."""
    engine = _core.Engine(store, RUNNER, slots=1)
    engine.start()

    def hundred() -> None:
        for _ in range(BATCH):
            claim = engine.next()
            assert claim is not None
            engine.settle(claim, _core.SUCCESS, b"\x011")

    measured.rate(hundred, BATCH, rounds=20, setup=lambda: store.submit(SPEC, [CALL] * BATCH) and None)
    engine.close()


def test_notify_a_runner(measured, store) -> None:
    """From a submit to the claim on the thread of an idle runner, and back by its settle."""
    engine = _core.Engine(store, RUNNER, slots=1)
    engine.start()

    def serve() -> None:
        while (claim := engine.next()) is not None:
            engine.settle(claim, _core.SUCCESS, b"\x011")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    def trip() -> None:
        [(invocation_id, _)] = store.submit(SPEC, [CALL])
        assert store.waiter([invocation_id]).wait(30.0, False)

    measured.latency(trip)
    engine.close()
    thread.join(10.0)
