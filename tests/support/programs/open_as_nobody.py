"""Open a database as a user without rights, and print the result."""

from __future__ import annotations

import os
import sys

from pynenc import Pynenc
from pynenc.exceptions import StateBackendError


def main(path: str) -> None:
    app = Pynenc(app_id="nobody", config_values={"store_url": f"sqlite:///{path}"})
    # Everything that is imported on the way: once without rights, the interpreter's own files may be out of reach.
    Pynenc(app_id="warm", config_values={"store_url": "memory://"}).orchestrator.count_invocations()
    if os.getuid() == 0:
        _make_reachable(os.path.dirname(path))
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        app.orchestrator.count_invocations()
    except StateBackendError as error:
        print(type(error).__name__, error)
    else:
        raise SystemExit("it was opened")


def _make_reachable(folder: str) -> None:
    """Let other users pass through the temporary folders of the test, so that only the file itself refuses them."""
    while folder not in ("/", "/tmp"):
        os.chmod(folder, os.stat(folder).st_mode | 0o055)
        folder = os.path.dirname(folder)


if __name__ == "__main__":
    main(sys.argv[1])
