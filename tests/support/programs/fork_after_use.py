"""Use the store, fork, and use it on both sides.

python -m support.programs.fork_after_use [with-runner]
"""

from __future__ import annotations

import os
import sys
import threading

from support.jobs import app, basics

from pynenc.runner import ThreadRunner


def child(inherited: object) -> None:
    print("child: own handle gives", basics.add(2, 3).get_result(timeout=30))
    try:
        inherited.count()  # type: ignore[attr-defined]
    except RuntimeError:
        print("child: inherited handle refused")


def main(with_runner: bool) -> None:
    if with_runner:
        threading.Thread(target=ThreadRunner(app).run, daemon=True).start()
    assert basics.add(1, 1).get_result(timeout=30) == 2
    inherited = app._runtime.store
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            child(inherited)
            code = 0
        finally:
            sys.stdout.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    print("parent:", basics.add(3, 4).get_result(timeout=30))


if __name__ == "__main__":
    main(sys.argv[1:] == ["with-runner"])
