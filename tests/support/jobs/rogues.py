"""Bodies that treat the process they run in as their own."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time

from support import flags
from support.jobs.app import app
from support.jobs.basics import add


@app.task
def fork_and_leave() -> str:
    """The copy ends as a copy ends; it must take nothing with it."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "forked"


@app.task
def fork_and_return() -> str:
    """Both copies return from the body: only one is the worker."""
    if os.fork() == 0:
        return "the copy"
    return "the worker"


@app.task
def use_a_pool(numbers: list[int]) -> int:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return sum(pool.map(abs, numbers))


@app.task
def run_a_program() -> str:
    return subprocess.run([sys.executable, "-c", "print('out')"], capture_output=True, text=True, check=True).stdout


@app.task
def leave_a_daemon(name: str) -> int:
    """A process that outlives the body, with everything that was open."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        while not flags.is_raised(name):
            time.sleep(0.02)
        os._exit(0)
    return pid


@app.task
def close_descriptors() -> str:
    os.closerange(3, 1024)
    return "closed"


@app.task
def change_the_process(folder: str) -> str:
    signal_numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGUSR1)
    if sys.modules["threading"].current_thread() is sys.modules["threading"].main_thread():
        for number in signal_numbers:
            signal.signal(number, signal.SIG_IGN)
    os.chdir(folder)
    os.umask(0o777)
    os.nice(1)
    os.environ.clear()
    gc.freeze()
    return "changed"


@app.task
def still_works() -> int:
    return add(1, 1).result
