"""Stop and start again."""

from __future__ import annotations

from support import flags
from support.worlds import World


def test_the_same_runner_object_can_be_stopped_and_started_again(running: World) -> None:
    for value in range(3):
        assert running.jobs.basics.add(value, 1).result == value + 1
        running.stop()
        assert running.runner.running is False
        held = running.jobs.basics.add(value, 100)
        running.restart()
        assert held.result == value + 100


def test_invocations_submitted_without_a_runner_run_later(world: World) -> None:
    invocations = [world.jobs.basics.add(n, n) for n in range(10)]
    assert world.app.broker.count_invocations() == 10
    world.start()
    assert [invocation.result for invocation in invocations] == [2 * n for n in range(10)]


def test_a_stop_waits_for_the_bodies_that_run_and_leaves_the_rest_in_the_queue(world: World) -> None:
    world.start(slots=1)
    # A worker process receives the stop a moment later and claims until then; the body waits for that.
    held = world.jobs.basics.until_stopped("gate")
    flags.await_flag("gate-started")
    queued = world.jobs.basics.add(1, 2)
    world.runner.stop_runner_loop()
    flags.raise_flag("gate", "finished in its time")
    world.stop()
    assert held.get_final_result() == "finished in its time"
    assert str(queued.status) in ("registered", "rerouted")
    world.restart()
    assert queued.result == 3
    assert held.result == "finished in its time"


def test_a_new_runner_object_takes_over(running: World) -> None:
    assert running.jobs.basics.add(1, 1).result == 2
    running.stop()
    running.start(slots=1)
    assert running.jobs.basics.add(2, 2).result == 4
