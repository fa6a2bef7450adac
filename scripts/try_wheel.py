"""Install the wheel with plain pip into a clean venv, without Rust on the PATH, and run the README's quickstart there.

Before that, check its content: it names no folder of the machine that built it, and contains the notices of the
compiled-in code.

Usage: try_wheel.py FOLDER (with exactly one wheel)
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
NOTICES = "licenses/THIRD_PARTY_NOTICES.txt"


def path_without_rust() -> str:
    """PATH less every folder in which cargo or rustc is found."""
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(f for f in folders if not any(shutil.which(tool, path=f) for tool in ("cargo", "rustc")))


def describe(wheel: Path) -> None:
    """Print the size of the wheel and of its largest member, in bytes."""
    with zipfile.ZipFile(wheel) as archive:
        largest = max(archive.infolist(), key=lambda member: member.file_size)
    print(f"{wheel.name}: {wheel.stat().st_size:,} bytes ({largest.filename}: {largest.file_size:,} bytes unpacked)")


def builders_folders() -> set[str]:
    """Folders whose names identify the builder of a wheel."""
    home = os.environ.get("HOME", "")
    found = {
        home,
        str(SCRIPTS.parent),
        os.environ.get("CARGO_HOME") or f"{home}/.cargo",
        "/.cargo/registry",
        "/.rustup",
    }
    # Of a process without a home it is `/`, which is in every path.
    return {folder for folder in found if folder.count("/") > 1 or (folder == home and len(home) > 2)}


def problems_of(wheel: Path, folders: set[str]) -> list[str]:
    """Return the faults of a wheel: forbidden or missing content."""
    found = []
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            found += [f"{name} names {folder}" for folder in sorted(folders) if folder.encode() + b"/" in content]
        notices = [name for name in archive.namelist() if name.endswith(NOTICES)]
        if not notices or not archive.read(notices[0]).strip():
            found.append(f"{NOTICES} is missing")
    return found


def main(folder: Path) -> int:
    """0 if the quickstart ran."""
    (wheel,) = folder.glob("*.whl")
    describe(wheel)
    if problems := problems_of(wheel, builders_folders()):
        print("error:", "\n       ".join(problems), file=sys.stderr)
        return 1
    environment = {**os.environ, "PATH": path_without_rust()}
    with tempfile.TemporaryDirectory(prefix="clean-venv-") as place:
        venv.create(place, with_pip=True)
        python = str(Path(place, "bin", "python"))
        subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], env=environment, check=True)
        return subprocess.run([python, str(SCRIPTS / "quickstart.py")], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
