"""The measures, each defined once for all systems. A run is one `System` of one venv; the driver alternates runs."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import bodies
from protocol import MAY_HANG_SEC, System, bare_mb, cpu_seconds, emit, rss_mb, wait_for

BUDGET_SEC = 1.2
"""The approximate duration of one measure: a pilot's rate decides the number of tasks."""

END_TO_END_TASKS, DRAIN_TASKS = 20_000, 50_000
"""The most that is sent."""

GIVE_UP_SEC = MAY_HANG_SEC
START_SEC = 30.0
NAP_TASKS, NAP_SEC = 1_000, 0.01
SLOW_RATE = 400
SPIN_TASKS = 200
BIG_BYTES = 1_000_000


def numbers(count: int) -> list[tuple[int]]:
    """The arguments of so many calls of `echo`."""
    return [(number,) for number in range(count)]


def ready(system: System) -> None:
    """Start the workers and wait until they answer: each connection and each import has happened."""
    system.start()
    assert system.result(system.send("echo", 1), START_SEC) == 1
    system.results(system.send_many("echo", numbers(200)), START_SEC)


def sized(rate: float, most: int, least: int = 200, seconds: float = BUDGET_SEC) -> int:
    """How many tasks take about the budget."""
    return int(min(most, max(least, rate * seconds)))


def finished(system: System, handles: list[object], count: int) -> None:
    """Wait for all results and check their values."""
    values = system.results(handles, 120.0)
    assert sorted(values) == list(range(count)), "some results are missing or wrong"


def end_to_end(system: System, pids: list[int]) -> float:
    """Submit many at once, then one by one from one producer, and read every result; return the rate of the first."""
    began = time.perf_counter()
    finished(system, system.send_many("echo", numbers(300)), 300)
    count = sized(300 / (time.perf_counter() - began), END_TO_END_TASKS)
    redis = [system.options.redis_pid] if system.options.store == "redis" else []
    cpu, redis_cpu, began = cpu_seconds(pids), cpu_seconds(redis), time.perf_counter()
    finished(system, system.send_many("echo", numbers(count)), count)
    taken = time.perf_counter() - began
    rate = count / taken
    emit("end_to_end", rate, "tasks/s", tasks=count)
    emit("cpu_per_10k", (cpu_seconds(pids) - cpu) / count * 10_000, "s", tasks=count)
    if redis:
        emit("redis_cpu_per_task", (cpu_seconds(redis) - redis_cpu) / count * 1e6, "us", tasks=count)
    began = time.perf_counter()
    finished(system, system.send_each("echo", numbers(300)), 300)
    count = sized(300 / (time.perf_counter() - began), END_TO_END_TASKS)
    began = time.perf_counter()
    finished(system, system.send_each("echo", numbers(count)), count)
    emit("end_to_end_one_by_one", count / (time.perf_counter() - began), "tasks/s", tasks=count)
    return rate


def latency(system: System) -> None:
    """Measure from submit to result with one task in flight."""
    taken = sorted(system.round_trips(2_000, time.monotonic() + BUDGET_SEC))
    for name, part in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        emit(f"latency_{name}", taken[int(part * (len(taken) - 1))] * 1e3, "ms", tasks=len(taken))


def fan(system: System, skip: set[str]) -> None:
    """A task that sends children and waits for all of them."""
    for children in (100, 1_000):
        name = f"fan_{children}"
        if name in skip:
            continue
        if not system.waits_in_tasks:
            emit(name, None, "s", note="a body cannot wait for others")
            continue
        began = time.perf_counter()
        try:
            value = system.result(system.send("fan", children), GIVE_UP_SEC)
        except Exception as error:
            emit(name, None, "s", note=f"not within {GIVE_UP_SEC:g} s ({type(error).__name__})")
            return
        assert value == sum(range(children)), f"fan({children}) gave {value!r}"
        emit(name, time.perf_counter() - began, "s")


def blocking_io(system: System, rate: float) -> None:
    """1,000 calls that wait 10 ms each; fewer where a thousand no-ops would take long already."""
    system.stop()
    special = system.start_for_waiting()
    if not special:
        system.start()
    system.results(system.send_many("nap", [(NAP_SEC,)] * 20), START_SEC)
    count = NAP_TASKS if rate > SLOW_RATE else NAP_TASKS // 5
    began = time.perf_counter()
    values = system.results(system.send_many("nap", [(NAP_SEC,)] * count), 60.0)
    assert sum(values) == count
    emit("io", count / (time.perf_counter() - began), "tasks/s", tasks=count)
    if special:
        system.stop()
        ready(system)


def processor(system: System) -> None:
    """Pure Python on both cores, against the same work in two bare processes, before and after."""
    before = two_bare_processes()
    began = time.perf_counter()
    system.results(system.send_many("spin", [(bodies.SPIN_STEPS,)] * SPIN_TASKS), 60.0)
    taken = time.perf_counter() - began
    emit("cpu_bound", taken / ((before + two_bare_processes()) / 2), "x ideal", tasks=SPIN_TASKS)


def two_bare_processes() -> float:
    """Seconds that the same work takes without any system."""
    began = time.perf_counter()
    children = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            for _ in range(SPIN_TASKS // 2):
                bodies.spin(bodies.SPIN_STEPS)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    return time.perf_counter() - began


def big_arguments(system: System) -> None:
    """1 MB of text each."""
    data = "x" * BIG_BYTES
    began = time.perf_counter()
    count = 0
    while time.perf_counter() - began < BUDGET_SEC and count < 400:
        assert system.results(system.send_many("size", [(data,)] * 8), 60.0) == [BIG_BYTES] * 8
        count += 8
    emit("big_arguments", count / (time.perf_counter() - began), "tasks/s", tasks=count)


def enqueue(system: System) -> None:
    """Without a worker: submit one by one, each acknowledged; then in the fastest way of the system."""
    for name, send, most in (
        ("enqueue", system.send_each, END_TO_END_TASKS),
        ("enqueue_bulk", system.send_many, DRAIN_TASKS),
    ):
        began = time.perf_counter()
        send("echo", numbers(300))
        count = sized(300 / (time.perf_counter() - began), most, seconds=BUDGET_SEC / 2)
        began = time.perf_counter()
        send("echo", numbers(count))
        emit(name, count / (time.perf_counter() - began), "tasks/s", tasks=count)
        system.purge()


def drain(system: System, rate: float) -> None:
    """No-ops that wait in the queue before the workers start: from the first to run to the last, by the workers' clock.

    Systems do not keep the order exactly, so a few tasks at both ends write down the time.
    """
    count = sized(rate, DRAIN_TASKS, least=1_000, seconds=BUDGET_SEC * 1.5)
    first, last = (Path(system.options.folder, f"{name}-{time.time_ns()}") for name in ("first", "last"))
    system.send_each("stamp", [(str(first),)] * 4)
    handles = system.send_many("echo", numbers(count))
    marks = system.send_each("stamp", [(str(last),)] * 4)
    system.start()
    system.results(marks, 120.0)
    finished(system, handles, count)
    began = min(map(float, first.read_text().split()))
    ended = max(map(float, last.read_text().split()))
    emit("drain", count / (ended - began), "tasks/s", tasks=count)


def attempt(system: System, measure: str, unit: str, work: Callable[[], None]) -> None:
    """Run one part; if it fails, report it under its name, and begin the next part with fresh workers."""
    try:
        work()
    except Exception as error:
        emit(measure, None, unit, note=f"failed: {type(error).__name__}")
        print(f"{measure}: {error!r}", file=sys.stderr)
        system.stop()
        system.purge()
        ready(system)


def rounds(system: System, skip: set[str]) -> None:
    """Run the measures of every round."""
    ready(system)
    try:
        pids = [os.getpid(), *([system.options.redis_pid] if system.options.store == "redis" else [])]
        rate = end_to_end(system, [*pids, *system.worker_pids()])
        attempt(system, "latency_p50", "ms", lambda: latency(system))
        attempt(system, "io", "tasks/s", lambda: blocking_io(system, rate))
        attempt(system, "cpu_bound", "x ideal", lambda: processor(system))
        attempt(system, "big_arguments", "tasks/s", lambda: big_arguments(system))
        fan(system, skip)
    finally:
        system.stop()
    system.purge()
    enqueue(system)
    try:
        drain(system, rate)
    finally:
        system.stop()
    system.purge()


def once(system: System, skip: set[str]) -> None:
    """Run the measures that are taken once: idle costs, memory, nested waits, a killed worker."""
    bare = bare_mb(type(system).__module__)
    ready(system)
    try:
        redis = [system.options.redis_pid] if system.options.store == "redis" else []
        pids = system.worker_pids()
        largest = max(map(rss_mb, system.body_pids() or [os.getpid()]))
        emit("memory", largest, "MB")
        emit("memory_above_bare", largest - bare, "MB", bare=bare)
        time.sleep(1.0)
        before = cpu_seconds(pids), cpu_seconds(redis)
        time.sleep(10.0)
        emit("idle_cpu", round(cpu_seconds(pids) - before[0], 6), "s", redis=cpu_seconds(redis) - before[1])
        recovery(system)
    finally:
        system.stop()
    system.purge()
    nested(system)
    system.purge()


def nested(system: System) -> None:
    """fib(8) by nested waits on two slots."""
    if not system.waits_in_tasks:
        emit("fib_8", None, "s", note="a body cannot wait for others")
        return
    system.start(slots=2)
    try:
        assert system.result(system.send("echo", 1), START_SEC) == 1
        began = time.perf_counter()
        value = system.result(system.send("fib", 8), GIVE_UP_SEC)
        assert value == 21, f"fib(8) gave {value!r}"
        emit("fib_8", time.perf_counter() - began, "s")
    except Exception as error:
        emit("fib_8", None, "s", note=f"deadlock: not within {GIVE_UP_SEC:g} s ({type(error).__name__})")
    finally:
        system.stop()


def recovery(system: System) -> None:
    """kill -9 of the process that runs a body; another run of it must finish. Fresh workers come if none are left."""
    mark = Path(system.options.folder, f"hold-{time.time_ns()}")
    if not system.workers:
        emit("recovery", None, "s", note="runs inside the client")
        return
    handle = system.send("hold", str(mark))
    assert wait_for(lambda: mark.exists() and bool(mark.read_text()), START_SEC), "the body did not start"
    began = time.perf_counter()
    os.kill(int(mark.read_text()), signal.SIGKILL)
    time.sleep(0.2)
    if all(worker.poll() is not None for worker in system.workers):
        system.start()
    try:
        assert system.result(handle, GIVE_UP_SEC) == 2
        emit("recovery", time.perf_counter() - began, "s")
    except Exception as error:
        emit("recovery", None, "s", note=f"not within {GIVE_UP_SEC:g} s ({type(error).__name__})")
