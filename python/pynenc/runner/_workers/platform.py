"""What operating systems do differently: each call that not all of them have, with what takes its place elsewhere."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Protocol

from pynenc.exceptions import RunnerError
from pynenc.runner._workers.init import reaped

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

ORPHANED = 70
"""Exit code of a process whose runner is gone."""

DEAF = 71
"""Exit code of a worker that cannot reach its store."""

SHORT = 72
"""Exit code of a worker that could not start a thread, before it had claimed anything."""

LOOP_BROKE = 73
"""Exit code of a worker whose event loop has ended unexpectedly."""

_REASONS = {DEAF: "it could not reach its store", LOOP_BROKE: "its event loop broke"}

SHORT_OF_SEC = 1.0
"""When to try again if the system has nothing left for another process or thread: no event tells that it has."""

_LOOK_SEC = 0.2
_SHORTAGES = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


def require_fork(runner: str) -> None:
    """Raise `RunnerError` where workers cannot be forked."""
    if not hasattr(os, "fork") or not hasattr(socket, "send_fds") or not hasattr(socket, "AF_UNIX"):
        raise RunnerError(f"{runner} needs fork and Unix sockets, which {sys.platform} does not have: use ThreadRunner")
    if not sys.executable:
        raise RunnerError(f"{runner} starts Python processes, but this one does not know its own sys.executable")


def new_selector() -> selectors.BaseSelector:
    """A selector without a descriptor of its own: one that is forked with it cannot change the set of its parent."""
    return getattr(selectors, "PollSelector", selectors.SelectSelector)()


def die_with_parent(parent_pid: int) -> bool:
    """Let the kernel kill this process when its parent dies; whether the parent was still alive when that was set.

    Linux only, and only a second line: everywhere, the end of the channel tells a worker that its runner is gone.
    """
    _set_death_signal()
    # The parent may have died before the call; then nothing would ever come.
    return os.getppid() == parent_pid


def _set_death_signal() -> bool:
    """Whether the kernel will kill this process when its parent dies."""
    if sys.platform == "linux":
        with contextlib.suppress(Exception):
            import ctypes

            libc = ctypes.CDLL(None, use_errno=True)
            return bool(libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0)
    return False


@contextlib.contextmanager
def ending_with_parent(parent_pid: int) -> Iterator[None]:
    """Within this block the process ends with its parent though it does not listen to anybody.

    For the main thread, while it imports what others have written. Where the kernel does not see to it, a timer does; a
    thread might hold a lock at a fork.
    """
    if _set_death_signal():
        yield
        return

    def look(signum: int, frame: object) -> None:
        if os.getppid() != parent_pid:
            os._exit(ORPHANED)

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _LOOK_SEC, _LOOK_SEC)
    try:
        yield
    finally:
        # Unless what was imported uses it for something else.
        if signal.getsignal(signal.SIGALRM) is look:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def resident_mb() -> float:
    """Memory of this process in use, in MB; where that cannot be read, the most it had; 0.0 if neither is known."""
    try:
        with open("/proc/self/statm", "rb") as file:
            pages = int(file.read().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, ValueError, IndexError):
        pass
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Bytes on macOS, KB elsewhere.
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def turns_of(pid: int) -> int | None:
    """How often threads of a process have been given a CPU so far; None where that cannot be read."""
    found = None
    try:
        for thread in os.scandir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"{thread.path}/status", "rb") as file:
                found = (found or 0) + sum(int(line.split()[1]) for line in file if b"ctxt_switches:" in line)
    except (OSError, ValueError, IndexError):
        return None
    return found


def is_stopped(pid: int) -> bool:
    """Whether a signal or a debugger has stopped a process, as `ps` tells; False if it does not."""
    command = ["ps", "-o", "stat=", "-p", str(pid)]
    try:
        told = subprocess.run(command, capture_output=True, timeout=_LOOK_SEC * 10, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return told.stdout.strip()[:1] in (b"T", b"t")


class DeathWatch(Protocol):
    """Learns of the end of child processes without polling. Never reaps a process that is not its own."""

    def add(self, pid: int) -> None:
        """Watch this child."""

    def ended(self) -> list[tuple[int, int]]:
        """`(pid, wait status)` of those that ended; does not block. Called when the selector wakes."""

    def pids(self) -> list[int]:
        """Those that are alive."""

    def close(self) -> None:
        """Release the descriptors: at the end, and in a forked child."""


def watch_deaths(selector: selectors.BaseSelector) -> DeathWatch:
    """The best watch this system has. With a parent that is process 1, orphans become children of this process."""
    if os.getppid() == 1 and adopt_orphans():
        return AdoptingWatch(selector)
    if hasattr(os, "pidfd_open"):
        try:
            os.close(os.pidfd_open(os.getpid()))
        except OSError:
            # An old kernel, or a sandbox that forbids it.
            return SignalWatch(selector)
        return PidfdWatch(selector)
    return SignalWatch(selector)


class PidfdWatch:
    """A descriptor per child, readable when it ends."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._descriptors: dict[int, int] = {}

    def add(self, pid: int) -> None:
        """See `DeathWatch`."""
        descriptor = os.pidfd_open(pid)
        self._descriptors[pid] = descriptor
        self._selector.register(descriptor, selectors.EVENT_READ)

    def ended(self) -> list[tuple[int, int]]:
        """See `DeathWatch`."""
        found = _reap(list(self._descriptors))
        for pid, _ in found:
            descriptor = self._descriptors.pop(pid)
            self._selector.unregister(descriptor)
            os.close(descriptor)
        return found

    def pids(self) -> list[int]:
        """See `DeathWatch`."""
        return list(self._descriptors)

    def close(self) -> None:
        """See `DeathWatch`."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()


class SignalWatch:
    """SIGCHLD wakes the selector. For the main thread of a process of our own: it takes the handler."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._pids: list[int] = []
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        selector.register(self._reader, selectors.EVENT_READ)
        self._handler = signal.signal(signal.SIGCHLD, lambda signum, frame: None)
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)

    def add(self, pid: int) -> None:
        """See `DeathWatch`."""
        self._pids.append(pid)

    def ended(self) -> list[tuple[int, int]]:
        """See `DeathWatch`."""
        self._empty()
        found = _reap(self._pids)
        gone = {pid for pid, _ in found}
        self._pids = [pid for pid in self._pids if pid not in gone]
        return found

    def _empty(self) -> None:
        """Called before the look, so that a later end wakes the selector again."""
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(256):
                pass

    def pids(self) -> list[int]:
        """See `DeathWatch`."""
        return list(self._pids)

    def close(self) -> None:
        """See `DeathWatch`."""
        signal.set_wakeup_fd(self._wakeup)
        signal.signal(signal.SIGCHLD, self._handler)
        self._reader.close()
        self._writer.close()
        self._pids.clear()


class AdoptingWatch(SignalWatch):
    """Reaps every child, so that orphans of bodies do not stay zombies. For a process that starts no other ones."""

    def ended(self) -> list[tuple[int, int]]:
        """See `DeathWatch`."""
        self._empty()
        found = [(pid, status) for pid, status in reaped() if pid in self._pids]
        gone = {pid for pid, _ in found}
        self._pids = [pid for pid in self._pids if pid not in gone]
        return found


def adopt_orphans() -> bool:
    """Let processes below this one become its children when their parent ends; whether the system does so."""
    if sys.platform == "linux":
        with contextlib.suppress(Exception):
            import ctypes

            libc = ctypes.CDLL(None, use_errno=True)
            return bool(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    return False


def _reap(pids: list[int]) -> list[tuple[int, int]]:
    found = []
    for pid in pids:
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            # Other code has reaped it, and its exit status is lost.
            ended, status = pid, -1
        if ended:
            found.append((pid, status))
    return found


def is_shortage(error: BaseException) -> bool:
    """Whether this says that the system has nothing left for another process or thread: it may have again soon."""
    if isinstance(error, OSError):
        return error.errno in _SHORTAGES
    text = str(error)
    # Of Python's threads, and of Rust's.
    return "can't start new thread" in text or any(f"(os error {number})" in text for number in _SHORTAGES)


def was_deaf(status: int) -> bool:
    """Whether a wait status says that the store had failed a worker for `store_deaf_after_sec`."""
    return status >= 0 and os.WIFEXITED(status) and os.WEXITSTATUS(status) == DEAF


def was_short(status: int) -> bool:
    """Whether a wait status says that a worker could not start a thread."""
    return status >= 0 and os.WIFEXITED(status) and os.WEXITSTATUS(status) == SHORT


def was_sigkilled(status: int) -> bool:
    """Whether a wait status says that someone, perhaps the system for want of memory, has killed the process."""
    return status >= 0 and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def how_it_ended(status: int) -> str:
    """A wait status in words."""
    if status < 0:
        return "ended, and how is not known"
    if not os.WIFSIGNALED(status):
        code = os.waitstatus_to_exitcode(status)
        return f"ended by itself with exit code {code} ({_REASONS.get(code, 'os._exit?')})"
    signum = os.WTERMSIG(status)
    try:
        name = signal.Signals(signum).name
    except ValueError:
        name = "unnamed"
    return f"killed by signal {signum} ({'out of memory?' if signum == signal.SIGKILL else name})"
