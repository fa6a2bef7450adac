"""Install the wheel with plain pip into a clean venv, with no Rust on the PATH, and run the README's quickstart there.

Usage: try_wheel.py FOLDER (holding exactly one wheel)
"""

import os
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent


def path_without_rust() -> str:
    """PATH less every folder in which cargo or rustc is found."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(f for f in folders if not any(shutil.which(tool, path=f) for tool in ("cargo", "rustc")))


def describe(wheel: Path) -> None:
    """Print the size of the wheel and of its largest member, in bytes."""
    with zipfile.ZipFile(wheel) as archive:
        largest = max(archive.infolist(), key=lambda member: member.file_size)
    print(f"{wheel.name}: {wheel.stat().st_size:,} bytes ({largest.filename}: {largest.file_size:,} bytes unpacked)")


def main(folder: Path) -> int:
    """0 if the quickstart ran."""
    (wheel,) = folder.glob("*.whl")
    describe(wheel)
    environment = {**os.environ, "PATH": path_without_rust()}
    with tempfile.TemporaryDirectory(prefix="clean-venv-") as place:
        venv.create(place, with_pip=True)
        python = str(Path(place, "bin", "python"))
        subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], env=environment, check=True)
        return subprocess.run([python, str(SCRIPTS / "quickstart.py")], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
