"""Bodies that treat the process they run in as their own."""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import resource
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
    """Both copies return from the body, but only one is the worker."""
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
def close_the_store() -> None:
    """Close the files of the database in this process while none of them is used."""
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if "store.db" in os.readlink(f"/proc/self/fd/{name}"):
                os.close(int(name))


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


@app.task
def allocate_beyond_the_limit(size: int) -> int:
    """Ask for more address space than this process may have from now on."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + size, limits[1]))
    try:
        return len(bytearray(4 * size))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


@app.task
def touch_memory(size: int) -> int:
    """Wait for the flag `eat`, then write to every page of so many bytes; the process that survived it."""
    flags.raise_flag("hungry", str(os.getpid()))
    flags.await_flag("eat")
    eaten = bytearray(size)
    eaten[:: resource.getpagesize()] = b"x" * len(range(0, size, resource.getpagesize()))
    return os.getpid()
