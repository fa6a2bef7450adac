"""Run the quickstart of README.md like a reader: two files, a runner in one process, a client in another.

Usage: quickstart.py [PYTHON] -- an interpreter whose environment has pynenc-rs installed; the default is this
interpreter
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
CLIENT_TIMEOUT_SEC = 60
STOP_TIMEOUT_SEC = 30

FILE_BLOCK = re.compile(r"^```python\n# (\w+\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OUTPUT_BLOCK = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^pynenc (--app tasks runner start)$", re.MULTILINE)


def read_quickstart() -> tuple[dict[str, str], list[str], str]:
    """Return the files by name, the arguments of the pynenc command and the client's output in README.md."""
    text = README.read_text()
    command = COMMAND.search(text)
    output = OUTPUT_BLOCK.search(text)
    if command is None or output is None:
        raise SystemExit("README.md: the quickstart has lost its runner command or its output")
    return dict(FILE_BLOCK.findall(text)), command.group(1).split(), output.group(1)


def run_both(folder: Path, runner_command: list[str], client_command: list[str]) -> tuple[int, int, str, str]:
    """Run runner and client until the client ends; return `(client code, runner code, stdout, all output)`."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYNENC__", "PYTHON"))}
    log = folder / "runner.log"
    with log.open("wb") as sink:
        runner = subprocess.Popen(runner_command, cwd=folder, stdout=sink, stderr=sink, env=environment)
    try:
        client = subprocess.run(
            client_command, cwd=folder, env=environment, capture_output=True, text=True, timeout=CLIENT_TIMEOUT_SEC
        )
        runner.send_signal(signal.SIGTERM)
        code = runner.wait(STOP_TIMEOUT_SEC)
    except subprocess.TimeoutExpired as late:
        raise SystemExit(f"{late}\nthe runner said:\n{log.read_text()}") from late
    finally:
        if runner.poll() is None:
            runner.kill()
            runner.wait()
    said = f"client: {client.stderr}\nrunner: {log.read_text()}"
    return client.returncode, code, client.stdout, said


def main(python: str) -> int:
    """Return 0 if the client printed the output in the README and the runner stopped cleanly on SIGTERM."""
    files, command, promised = read_quickstart()
    with tempfile.TemporaryDirectory(prefix="quickstart-") as name:
        for file, source in files.items():
            Path(name, file).write_text(source)
        pynenc = str(Path(python).parent / "pynenc")
        client_code, runner_code, printed, said = run_both(Path(name), [pynenc, *command], [python, "client.py"])
    if (client_code, runner_code, printed) == (0, 0, promised):
        print(printed, end="")
        return 0
    print(f"exit codes: client {client_code}, runner {runner_code}\nprinted:\n{printed}\n{said}", file=sys.stderr)
    print(f"README.md promises:\n{promised}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else sys.executable))
