"""Who should claim for a worker process: itself, or its parent, who hands each invocation over a socket?

    python benches/claim_by_whom.py [COUNT]

Both ways run the same no-op task in the same kind of forked worker with one slot, on SQLite, by turns. Printed are the
medians of invocations per second, and CPU time per invocation of all processes together.
"""

from __future__ import annotations

import os
import pickle
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pynenc import Pynenc, _core

if __name__ == "__main__":
    # Again under its own name: a task cannot be in __main__.
    import claim_by_whom

    sys.exit(claim_by_whom.main())

ROUNDS = 5

app = Pynenc("claim_by_whom", {"durability": "normal"})


@app.task
def nothing() -> None:
    return None


def submit(count: int) -> None:
    nothing.parallelize([()] * count)


def cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def worker_loop(engine: _core.Engine, count: int) -> None:
    from pynenc.runner import ThreadRunner
    from pynenc.runner.execute import execute

    runner = ThreadRunner(app)
    for _ in range(count):
        claim = engine.next()
        assert claim is not None
        engine.settle(claim, *execute(app, runner, claim))


def child_claims(count: int) -> None:
    """A forked worker says when it is ready, is told to begin, claims for itself."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        engine = _core.Engine(app._store, "child", slots=1)
        engine.start()
        theirs.send(b"r")
        worker_loop(engine, count)
        engine.stop()
        engine.drain(60)
        theirs.send(b"d")
        engine.close()
        os._exit(0)
    ours.recv(1)
    ours.recv(1)
    os.waitpid(pid, 0)


def parent_claims(count: int) -> None:
    """A forked worker gets pickled claims, and answers with pickled outcomes."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        from pynenc.runner import ThreadRunner
        from pynenc.runner.execute import execute

        runner = ThreadRunner(app)
        while data := theirs.recv(65536):
            theirs.sendall(pickle.dumps(tuple(execute(app, runner, pickle.loads(data)))))
        os._exit(0)
    theirs.close()
    engine = _core.Engine(app._store, "parent", slots=1)
    engine.start()
    for _ in range(count):
        claim = engine.next()
        assert claim is not None
        ours.sendall(pickle.dumps(claim))
        engine.settle(claim, *pickle.loads(ours.recv(65536)))
    engine.stop()
    engine.drain(60)
    ours.close()
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    engine.close()


def measure(way: str, count: int) -> None:
    """In a process of its own, so that every fork is of a single-threaded process. Prints seconds and CPU seconds."""
    if way == "submit":
        submit(count)
        return
    before, began = cpu(), time.perf_counter()
    (child_claims if way == "child" else parent_claims)(count)
    print(time.perf_counter() - began, cpu() - before)


def main() -> None:
    """By turns, so that what else the machine does hits both."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    found: dict[str, list[tuple[float, float]]] = {"child": [], "parent": []}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(ROUNDS):
            for way in found:
                url = f"sqlite:///{Path(folder) / f'{way}-{turn}.db'}"
                environment = {**os.environ, "PYNENC__STORE_URL": url, "PYTHONPATH": os.pathsep.join(sys.path)}

                def run(what: str, environment: dict[str, str] = environment) -> str:
                    code = f"import claim_by_whom; claim_by_whom.measure({what!r}, {count})"
                    command = [sys.executable, "-c", code]
                    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

                run("submit")
                seconds, used = map(float, run(way).split())
                found[way].append((seconds, used))
    for way, rounds in found.items():
        rate = statistics.median(count / seconds for seconds, _ in rounds)
        micros = statistics.median(used / count * 1e6 for _, used in rounds)
        print(f"{way:>6} claims: {rate:8.0f} invocations/s, {micros:6.1f} us of CPU each")
