"""A process that is forked while threads wait in Rust: its own threads wait and are woken as in any other process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FORKS = 10

PROGRAM = f"""
import os, sys, threading, time
from pynenc import Pynenc

parent = Pynenc("parent", config_values={{"store_url": "sqlite:///" + os.path.join(sys.argv[1], "parent.db")}})
child = Pynenc("child", config_values={{"store_url": "memory://", "runner_cls": "ThreadRunner", "max_threads": 8}})


@parent.task
def never() -> None: ...


@child.task
def double(number: int) -> int:
    return 2 * number


def run_in_child() -> None:
    threading.Thread(target=child.runner.run, daemon=True).start()
    for _ in range(20):
        assert sorted(double.parallelize([(number,) for number in range(50)]).results) == list(range(0, 100, 2))


def main() -> None:
    # In Rust these threads sleep until the end. A child has none of them, but their stacks, which its own threads get.
    for _ in range(40):
        threading.Thread(target=never().get_result, daemon=True).start()
    looks = 0
    while looks < 20:
        looks = looks + 1 if asleep() >= 40 else 0
        time.sleep(0.005)
    for _ in range({FORKS}):
        pid = os.fork()
        if pid == 0:
            try:
                run_in_child()
            except BaseException as error:
                print(repr(error), flush=True)
                os._exit(1)
            os._exit(0)
        print(ended(pid), flush=True)
    os._exit(0)


def asleep() -> int:
    return sum(state(thread) == "S" for thread in os.listdir("/proc/self/task"))


def state(thread: str) -> str:
    with open(f"/proc/self/task/{{thread}}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def ended(pid: int) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return "ended" if status == 0 else f"status {{status}}"
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return "hung"
"""


def test_a_child_of_a_process_whose_threads_sleep_has_locks_that_work(tmp_path: Path) -> None:
    (tmp_path / "forking.py").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", "import forking; forking.main()", str(tmp_path)],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert ran.stdout.split("\n")[:-1] == ["ended"] * FORKS, ran.stderr
    assert ran.returncode == 0, ran.stderr


FORKS_AT_ONCE = """
import os, sys, threading
from pynenc import Pynenc

# Hooks run in the reverse order: this one while the package's have run. Python lets other threads run within it.
os.register_at_fork(before=lambda: sum(range(2000)))
sys.setswitchinterval(1e-5)
app = Pynenc("forks", config_values={"store_url": "memory://"})
app.orchestrator.count_invocations()


def fork_often() -> None:
    for _ in range(200):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)


threads = [threading.Thread(target=fork_often, daemon=True) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(100)
print(sum(thread.is_alive() for thread in threads), flush=True)
os._exit(0)
"""


def test_threads_that_fork_at_once_do_not_wait_for_each_other(tmp_path: Path) -> None:
    (tmp_path / "at_once.py").write_text(FORKS_AT_ONCE)
    ran = subprocess.run(
        [sys.executable, "at_once.py"], cwd=tmp_path, capture_output=True, text=True, timeout=400
    )  # fmt: skip
    assert ran.stdout == "0\n", ran.stderr
