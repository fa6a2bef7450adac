"""Run a task with encrypted, signed payloads, then change all keys: `python examples/encrypted_payloads/run.py`."""

import os
import secrets
import subprocess
import sys
import threading
from pathlib import Path

from cryptography.fernet import Fernet

SIGNING, ENCRYPTION = "PYNENC__SIGNING_KEYS", "SHOP_ENCRYPTION_KEYS"


def with_keys(signing: list[str], encryption: list[str], *arguments: str) -> str:
    """Run this file in another process with these keys, newest first; return its output."""
    environment = {**os.environ, SIGNING: ",".join(signing), ENCRYPTION: ",".join(encryption)}
    command = [sys.executable, str(Path(__file__)), *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def call() -> None:
    """Submit a call, run it, print its id and its result."""
    from tasks import app, greet

    from pynenc.runner import ThreadRunner

    runner = ThreadRunner(app)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        invocation = greet("Ada")
        result = invocation.result
    finally:
        runner.stop_runner_loop()
        thread.join()
    print(invocation.invocation_id)
    print(result)


def read(invocation_id: str) -> None:
    """Print the result of an invocation, or why it is refused."""
    from tasks import app

    from pynenc.exceptions import PynencError

    try:
        print(app.state_backend.get_result(invocation_id))
    except PynencError as error:
        print(f"{type(error).__name__}: {error}")


def main() -> None:
    old, new = f"2026-01:{secrets.token_hex(32)}", f"2026-07:{secrets.token_hex(32)}"
    old_fernet, new_fernet = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    invocation_id, result = with_keys([old], [old_fernet], "call").splitlines()
    # Here, where the database is not open: closing a file takes SQLite's locks away from its whole process.
    database = b"".join(path.read_bytes() for path in Path(".pynenc").glob("*.db*") if path.is_file())
    print(f"{result!r}; in the store: name {b'Ada' in database}, result {b'Hello' in database}")
    print("with the new keys first:", with_keys([new, old], [new_fernet, old_fernet], "read", invocation_id), end="")
    print("without the old keys:", with_keys([new], [new_fernet], "read", invocation_id), end="")


if __name__ == "__main__":
    if sys.argv[1:2] == ["call"]:
        call()
    elif sys.argv[1:2] == ["read"]:
        read(sys.argv[2])
    else:
        main()
