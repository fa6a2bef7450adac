"""Bodies that write to the standard streams."""

from __future__ import annotations

import subprocess
import sys

from support.jobs.app import app


@app.task
def print_and_start_a_program(text: str) -> int:
    """Write to both streams here and in a child process; the exit code of the child."""
    print(text, flush=True)
    print(text, file=sys.stderr, flush=True)
    code = f"import sys; print({text!r}, flush=True); print({text!r}, file=sys.stderr, flush=True)"
    return subprocess.run([sys.executable, "-c", code], check=False).returncode
