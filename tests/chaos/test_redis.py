"""Faults of Redis servers under load: no accepted call is lost, none finishes twice, and every runner keeps serving.

`make test` runs each fault a few times, `make chaos` as often as docs/concepts/guarantees.md says.
rust/stores/redis/tests/lost_scripts.rs tests a lost reply of every script, before and after it ran (B13).
tests/crash/test_redis_faults.py tests a full memory (B9) and a server that may evict (B10).
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from support import flags
from support.chaos import RUNNERS, SLOTS, Campaign, pause, rounds
from support.deaf_proxy import DeafProxy
from support.processes import stands_still
from support.servers import redis_server
from support.topologies import cluster, sentinels
from support.waiting import wait_until

Make = Callable[..., Campaign]

DURABLE = ("--appendonly", "yes", "--appendfsync", "always")
IN_MEMORY = "server's memory (fast)"
RECOVERIES_PER_SEC = 200


def test_b1_a_server_that_is_killed_loses_nothing_it_acknowledged(campaign: Make) -> None:
    kills, each = rounds(3, 10, 50), rounds(50, 200, 400)
    with redis_server(*DURABLE) as server:
        run = campaign("B1", "kill -9 of the server, restart", "appendfsync always, kill of the process", server.url)
        run.load()
        for _ in range(kills):
            run.await_progress(each)
            server.kill()
            pause(run.chance.uniform(0.0, 1.0))
            server.start()
            run.await_recovery()
        run.finish(kills)


def test_b5_after_each_failover_of_sentinels_all_workers_go_on(campaign: Make) -> None:
    """The primary is killed, or is stopped and continues later without knowing that it was replaced."""
    failovers = rounds(2, 8, 50)
    with sentinels() as group:
        what = "failover by Sentinels: primary killed, or stopped and continued"
        run = campaign("B5", what, "replicated(1)", group.url, DURABILITY="replicated(1)")
        # Accepted calls survive: a new primary confirms nothing before a replica has copied all of it. How fast two
        # cores copy it is not the subject of this test.
        run.load(pause_sec=0.2)
        for number in range(failovers):
            run.await_progress(20)
            old = group.primary()
            if number % 2:
                old.send(signal.SIGSTOP)
            else:
                old.kill()
            group.await_another_primary(old)
            assert run.await_recovery() < 10
            if number % 2:
                old.send(signal.SIGCONT)
                # For so long there are two that take writes.
                pause(1.0)
            else:
                old.start()
            # Sentinels would do that too, after a while.
            old.ask("REPLICAOF", "127.0.0.1", str(group.primary().port))
            group.await_complete()
        run.finish(failovers)


def test_b6_slots_move_and_primaries_change_in_a_cluster(campaign: Make) -> None:
    changes = rounds(2, 8, 20)
    with cluster() as nodes:
        run = campaign("B6", "slot moved, or failover, in a Cluster", IN_MEMORY, nodes.url, SHARDS="3")
        run.load()
        for number in range(changes):
            run.await_progress(50)
            key = f"{{{run.jobs.app.app_id}:{number // 2 % 3}}}m"
            if number % 2:
                nodes.fail_over(nodes.holder_of(nodes.nodes[0].ask("CLUSTER", "KEYSLOT", key)))
            else:
                nodes.move_slot(key)
            run.await_recovery()
        run.finish(changes)


def test_b7_connections_that_are_closed_again_and_again(campaign: Make) -> None:
    times = rounds(10, 50, 300)
    with redis_server() as server:
        run = campaign("B7", "all connections closed, every 200 ms", IN_MEMORY, server.url)
        run.load()
        for _ in range(times):
            pause(0.2)
            for kind in ("normal", "pubsub"):
                # Without itself, so that the answer comes.
                server.ask("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
        run.await_recovery()
        assert not run.ledger.of_kind("surfaced")
        run.finish(times)


def test_b8_a_server_that_stands_still_for_three_leases(campaign: Make) -> None:
    """Every lease expires at the same time; running bodies do not run a second time."""
    times = rounds(1, 2, 10)
    lease = 1.0
    still = 3 * lease
    with redis_server() as server:
        what = "server stands still for three leases (SIGSTOP, CLIENT PAUSE WRITE and ALL)"
        run = campaign("B8", what, IN_MEMORY, server.url, LEASE_SEC=str(lease))
        run.load()

        def stop() -> None:
            server.send(signal.SIGSTOP)
            pause(still)
            server.send(signal.SIGCONT)

        def paused(mode: str) -> Callable[[], None]:
            def stand() -> None:
                server.ask("CLIENT", "PAUSE", str(int(still * 1000)), mode)
                pause(still)

            return stand

        for _ in range(times):
            for stand_still in (stop, paused("WRITE"), paused("ALL")):
                run.await_progress(50)
                stand_still()
                run.await_recovery()
        verdict = run.finish(3 * times, recoveries=run.revoked())
        assert verdict.duplicates <= RUNNERS * SLOTS * 3 * times
        assert _most_recoveries_in_a_second(run) <= RECOVERIES_PER_SEC


def _most_recoveries_in_a_second(run: Campaign) -> int:
    history = run.jobs.app.state_backend.get_history
    times = sorted(
        entry.timestamp.timestamp()
        for event in run.ledger.of_kind("acked")
        for entry in history(event["id"])
        if str(entry.status) in ("running_recovery", "pending_recovery")
    )
    return max((sum(first <= other < first + 1 for other in times) for first in times), default=0)


def test_b11_scripts_that_are_forgotten_again_and_again(campaign: Make) -> None:
    times = rounds(20, 150, 1000)
    with redis_server() as server:
        run = campaign("B11", "SCRIPT FLUSH, every 100 ms", IN_MEMORY, server.url)
        run.load()
        for _ in range(times):
            pause(0.1)
            server.ask("SCRIPT", "FLUSH")
        run.await_recovery()
        assert not run.ledger.of_kind("surfaced")
        run.finish(times)


def test_b14_results_arrive_without_any_notification(campaign: Make) -> None:
    """Runners and clients then notice changes only by their slow poll."""
    times = rounds(4, 20, 100)
    with redis_server() as server, DeafProxy(server.port) as proxy:
        run = campaign("B14", "no notification is delivered", IN_MEMORY, proxy.url)
        latencies = []
        for number in range(times):
            began = time.monotonic()
            invocation = run.jobs.basics.note(str(number))
            run.ledger.write(kind="acked", id=invocation.invocation_id)
            assert invocation.get_result(timeout=60) == str(number)
            latencies.append(time.monotonic() - began)
        assert proxy.dropped > 0
        run.load()
        run.await_progress(100)
        run.finish(times, worst_latency_sec=round(max(latencies), 2))


def test_a5_a_worker_that_was_frozen_past_its_lease_writes_nothing(campaign: Make) -> None:
    """The other runner runs all its claims. Then the frozen worker continues, ends its bodies, and settles too late."""
    times = rounds(5, 100, 1000)
    with redis_server() as server:
        what = "worker frozen past its lease (SIGSTOP, SIGCONT), with all its slots at work"
        run = campaign("A5", what, IN_MEMORY, server.url, LEASE_SEC="0.4", MAX_RECOVERIES="1000000")
        stale = sum(_freeze(run, number) for number in range(times))
        verdict = run.finish(times, stale_writes_refused=stale)
        # The bodies that the frozen worker had begun ran again elsewhere, and no others did.
        assert 0 < stale <= verdict.duplicates <= run.revoked()


def _freeze(run: Campaign, number: int) -> int:
    """Run one round; return the number of refused outcomes of the frozen worker."""
    gate, since, held = f"gate-{number}", run.ledger.size(), {}
    for invocation in run.jobs.chaos.held.parallelize([(f"{number}-{n}", gate) for n in range(RUNNERS * SLOTS)]):
        run.ledger.write(kind="acked", id=invocation.invocation_id)
        held[invocation.invocation_id] = invocation

    def last_pids() -> dict[str, int]:
        return {event["id"]: event["pid"] for event in run.ledger.events(since) if event["kind"] == "run"}

    wait_until(lambda: len(last_pids()) == len(held), "all of them run")
    frozen = run.runners[number % RUNNERS]
    frozen.send(signal.SIGSTOP)
    wait_until(lambda: stands_still(frozen.pid), "all threads of the worker stand still")
    # Read after the worker is frozen: the other one may have taken over invocations meanwhile.
    mine = {invocation_id for invocation_id, pid in last_pids().items() if pid == frozen.pid}
    # The bodies of the other worker end, and make room for those that it takes over.
    flags.raise_flag(gate)
    others = {child.pid for child in run.runners} - {frozen.pid}
    values = {invocation_id: each.get_result(timeout=60) for invocation_id, each in held.items()}
    assert set(values.values()) <= others
    for invocation_id, value in values.items():
        run.ledger.write(kind="read", id=invocation_id, value=value)
    frozen.send(signal.SIGCONT)
    # The worker logs for each claim that it was lost: the store has then refused the outcome.
    for invocation_id in mine:
        frozen.await_output(invocation_id)
    return len(mine)
