"""Process 1 of a container: reap what bodies leave behind, which becomes its children.

A process whose parent ends becomes a child of process 1, and stays a zombie until that waits for it. A runner must not
wait for any child that ends: it would take the exit codes of those that bodies have started and wait for themselves.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading

_FORWARDED = frozenset(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
)


def leave_init() -> None:
    """Return in a child process if this is process 1, which then does nothing but forward signals and reap.

    It ends with the exit code of that child, with 128 more than the signal if one killed it. Does nothing in any other
    process, and in one that has threads, which a fork would lose.
    """
    if is_init() and threading.active_count() == 1:
        watched = {*_FORWARDED, signal.SIGCHLD}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
        pid = os.fork()
        if pid:
            os._exit(_serve(pid, watched))
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def is_init() -> bool:
    """Return whether this is process 1, on a system where such a process can wait for signals."""
    return os.getpid() == 1 and hasattr(signal, "sigwaitinfo")


def _serve(child: int, watched: set[signal.Signals]) -> int:
    """Forward signals to `child`, and reap all processes that end; return the exit code of `child`."""
    while True:
        info = signal.sigwaitinfo(watched)
        if info.si_signo != signal.SIGCHLD:
            # What a terminal sends, the kernel has sent to the child as well.
            if info.si_code <= 0:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, info.si_signo)
            continue
        # One signal may stand for several that ended.
        for pid, status in reaped():
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code


def reaped() -> list[tuple[int, int]]:
    """Wait for every child that has ended, without blocking; return `(pid, wait status)` of each."""
    found: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not pid:
            return found
        found.append((pid, status))
