"""Create a venv per peer under target/peers with pip, if it is missing or its table row has changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VENVS = ROOT / "target" / "peers"
TABLE = HERE / "table.toml"
_NEWEST_MINOR = 14


class NotInstallableError(Exception):
    """Says why a peer is left out."""


@dataclass(frozen=True)
class Peer:
    """A row of the table."""

    name: str
    title: str
    python: str
    requirements: tuple[str, ...]
    settings: str
    store: str = "redis"
    system: str = ""
    """The adapter, if it is called differently."""

    @property
    def minimum(self) -> tuple[int, int]:
        """The oldest interpreter it runs on."""
        major, minor = self.python.split(".")
        return int(major), int(minor)


def peers() -> dict[str, Peer]:
    """The table."""
    rows = tomllib.loads(TABLE.read_text())
    return {name: Peer(name=name, **{**row, "requirements": tuple(row["requirements"])}) for name, row in rows.items()}


def ensure(peer: Peer) -> Path:
    """The python of the peer's venv.

    Raises:
        NotInstallableError: no interpreter is new enough, or pip could not install it.
    """
    interpreter = _interpreter(peer.minimum)
    # Rows with the same requirements share a venv.
    key = json.dumps([peer.requirements, str(interpreter)])
    venv = VENVS / f"{peer.system or peer.name}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
    python, done = venv / "bin" / "python", venv / ".installed"
    if not done.exists():
        shutil.rmtree(venv, ignore_errors=True)
        print(f"installing {' '.join(peer.requirements)} for {interpreter.name}", file=sys.stderr, flush=True)
        _run(peer, [str(interpreter), "-m", "venv", str(venv)])
        _run(peer, [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                    "--only-binary", ":all:", *peer.requirements])  # fmt: skip
        done.write_text(key)
    return python


def versions(peer: Peer, python: Path) -> str:
    """Return the installed versions of the named requirements as `name==version`, and the interpreter."""
    names = [line.partition("==")[0].partition(">")[0].partition("[")[0] for line in peer.requirements]
    code = (
        "import platform, sys; from importlib import metadata; "
        "print(', '.join(f'{n} {metadata.version(n)}' for n in sys.argv[1:]) + ', Python ' + platform.python_version())"
    )
    return subprocess.run([str(python), "-c", code, *names], capture_output=True, text=True, check=True).stdout.strip()


def _run(peer: Peer, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise NotInstallableError(f"pip could not install {', '.join(peer.requirements)}: {last}")


def _interpreter(minimum: tuple[int, int]) -> Path:
    if sys.version_info[:2] >= minimum:
        return Path(sys._base_executable)  # type: ignore[attr-defined]
    for candidate in _candidates(minimum):
        probe = subprocess.run(
            [candidate, "-c", "import ensurepip, sys; print(sys.version_info[:2] >= " + repr(minimum) + ")"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if probe.stdout.strip() == "True":
            return Path(candidate)
    raise NotInstallableError(f"it needs Python {minimum[0]}.{minimum[1]}, and no such interpreter was found")


def _candidates(minimum: tuple[int, int]) -> Iterator[str]:
    names = [f"python{minimum[0]}.{minor}" for minor in range(minimum[1], _NEWEST_MINOR + 1)]
    yield from filter(None, map(shutil.which, names))
    # Where versions are installed side by side and not on the PATH.
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for name in names:
        yield from map(str, sorted(root.glob(f"versions/*/bin/{name}")))


def main() -> int:
    """Make every venv; 0 also if some peers cannot be had."""
    for peer in peers().values():
        try:
            python = ensure(peer)
        except NotInstallableError as reason:
            print(f"{peer.name}: left out: {reason}")
        else:
            print(f"{peer.name}: {versions(peer, python)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
