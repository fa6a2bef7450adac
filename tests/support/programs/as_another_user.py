"""Run a program of the interpreter as a user to whom the limit of processes applies, unlike root.

Only the real user id changes, so that everything remains accessible. With an id that no other process has, and without
the rights to exceed a limit, the limit counts the processes and threads of this program alone.

Usage: python -m support.programs.as_another_user <arguments for python>
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_CAPBSET_DROP, _PR_SET_SECUREBITS = 24, 28
_NO_SETUID_FIXUP = 1 << 2
"""`access` asks for the rights of the process, not of its real user."""
_CAP_SYS_ADMIN, _CAP_SYS_RESOURCE = 21, 24
_FIRST_UID = 1_000_000


def main(arguments: list[str]) -> None:
    if os.getuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        # Dropped rights are lost with the exec.
        drops = [(_PR_CAPBSET_DROP, right) for right in (_CAP_SYS_ADMIN, _CAP_SYS_RESOURCE)]
        for option in [(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP), *drops]:
            assert libc.prctl(*option, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())
        os.setresuid(_FIRST_UID + os.getpid(), 0, 0)
    os.execv(sys.executable, [sys.executable, *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
