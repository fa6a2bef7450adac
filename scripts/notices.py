"""Write THIRD_PARTY_NOTICES.txt: every crate that is compiled into the wheel, with its licence and the text of it.

Needs the crates on this disk (scripts/crates.sh). `--check` writes nothing: exit code 1 if the file is not up to date.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "THIRD_PARTY_NOTICES.txt"
CRATE = "pynenc-python"
TARGETS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
"""The targets of the wheels, see .github/workflows/wheels.yml."""
_TEXTS = ("license", "licence", "copying", "notice", "copyright", "unlicense")
HEAD = """\
The extension module pynenc._core contains the third-party software below, and parts of the Rust standard library (MIT
OR Apache-2.0; https://github.com/rust-lang/rust). SQLite, in libsqlite3-sys, is in the public domain. The texts of the
licences follow the list.
"""


def metadata(target: str) -> dict[str, Any]:
    """Return cargo's data about all packages for one target."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def compiled_in(found: dict[str, Any]) -> set[str]:
    """Return the ids of the linked packages: no build or test dependencies, no procedural macros."""
    packages = {package["id"]: package for package in found["packages"]}
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    reached: set[str] = set()
    left = [next(id for id, package in packages.items() if package["name"] == CRATE)]
    while left:
        current = left.pop()
        if current in reached or any("proc-macro" in each["kind"] for each in packages[current]["targets"]):
            continue
        reached.add(current)
        for dependency in nodes[current]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                left.append(dependency["pkg"])
    return reached


def texts_of(folder: Path) -> list[tuple[str, str]]:
    """The licence files of a crate, by name."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file() and file.name.lower().startswith(_TEXTS))
    kept = (file for file in files if file.suffix.lower() in {"", ".txt", ".md"} or file.name.upper() == file.name)
    return [
        (file.relative_to(folder).as_posix(), file.read_text(encoding="utf-8", errors="replace").strip())
        for file in kept
    ]


def rendered() -> str:
    """The whole file."""
    packages: dict[str, dict[str, Any]] = {}
    for target in TARGETS:
        found = metadata(target)
        wanted = compiled_in(found)
        # A package without a source belongs to this project.
        packages |= {p["id"]: p for p in found["packages"] if p["id"] in wanted and p["source"] is not None}
    listed = sorted(packages.values(), key=lambda package: (package["name"], package["version"]))
    lines, owners = [HEAD], dict[str, list[str]]()
    for package in listed:
        title = f"{package['name']} {package['version']}"
        lines.append(
            f"{title}: {package['license'] or 'see its text'}; {package['repository'] or 'no repository named'}"
        )
        for name, text in texts_of(Path(package["manifest_path"]).parent):
            owners.setdefault(text, []).append(f"{title} ({name})")
    for text, names in owners.items():
        lines += ["", "=" * 80, *names, "-" * 80, text]
    return "\n".join(lines) + "\n"


def main() -> int:
    """0 when the file is up to date at the end."""
    new = rendered()
    old = FILE.read_text(encoding="utf-8") if FILE.exists() else ""
    if "--check" in sys.argv[1:]:
        if new != old:
            print(f"{FILE.name} is not up to date: run python scripts/notices.py", file=sys.stderr)
        return int(new != old)
    FILE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
