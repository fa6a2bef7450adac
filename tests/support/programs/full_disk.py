"""Fill the disk under a store: acknowledged calls stay, all others are refused with a typed error.

Mounts a file system of two megabytes in a separate namespace: python -m support.programs.full_disk <folder>
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

MOUNTED = "TESTS_SMALL_DISK"


def enter_a_small_disk(folder: str) -> None:
    """Start over inside the namespace."""
    script = 'mount -t tmpfs -o size=2m,mode=755 none "$1" && shift && exec "$@"'
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh", folder]
    environment = {**os.environ, MOUNTED: "1"}
    raise SystemExit(
        subprocess.call([*command, sys.executable, "-m", "support.programs.full_disk", folder], env=environment)
    )


def fill(folder: Path) -> None:
    os.environ["PYNENC__STORE_URL"] = f"sqlite:///{folder / 'store.db'}"
    os.environ["PYNENC__APP_ID"] = "full-disk"
    from support.jobs import app, basics, faults

    from pynenc.exceptions import StateBackendError
    from pynenc.runner import ThreadRunner

    accepted = [basics.add(1, 1)]
    refused: list[str] = []
    for _ in range(300):
        try:
            accepted.append(faults.take_anything("x" * 20_000))
        except StateBackendError as error:
            refused.append(str(error))
            if len(refused) == 3:
                break
    assert len(refused) == 3, "the disk did not fill up"
    assert all("store.db" in message for message in refused), refused
    assert app.orchestrator.count_invocations() == len(accepted)

    # Room again, on the same handle: everything acknowledged is still there and runs.
    subprocess.run(["mount", "-o", "remount,size=32m", str(folder)], check=True)
    runner = ThreadRunner(app)
    thread = threading.Thread(target=runner.run, daemon=True)
    thread.start()
    assert accepted[0].get_result(timeout=30) == 2
    for invocation in accepted[1:]:
        assert len(invocation.get_result(timeout=30)) == 20_000
    assert basics.add(2, 2).get_result(timeout=30) == 4
    runner.stop_runner_loop()
    thread.join()
    print("nothing lost")


if __name__ == "__main__":
    if os.environ.get(MOUNTED) == "1":
        fill(Path(sys.argv[1]))
    else:
        enter_a_small_disk(sys.argv[1])
