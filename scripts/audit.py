"""Compare the dependencies of this project with a snapshot of published advisories.

The exit code is 1 if an advisory applies. The script checks every crate of Cargo.lock, the lowest version that each
requirement of pyproject.toml allows, the pinned requirements of the release, and the installed versions of these. The
snapshot, scripts/advisories.json, exists because the complete tools (cargo deny, pip-audit) load their databases from
hosts that not every machine reaches; .github/workflows/advisories.yml runs those.

Usage: audit.py [--root FOLDER] [--advisories FILE]
"""

import argparse
import datetime
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOT = ROOT / "scripts" / "advisories.json"
OLD_AFTER_DAYS = 180
_NUMBERS = re.compile(r"\d+(?:\.\d+)*")
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*(?:(?:>=|==|~=)\s*([0-9][0-9.]*))?")

Found = tuple[str, str, str]
"""The name, the version, and the file that names it."""


def version_key(text: str) -> tuple[int, ...]:
    """The numbers of a version; a prerelease counts as its release."""
    found = _NUMBERS.match(text)
    numbers = [int(part) for part in found[0].split(".")] if found else [0]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def normal(name: str) -> str:
    """A Python distribution's name as the index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def crates(lock: Path) -> Iterator[Found]:
    """Return the packages of Cargo.lock that come from a registry."""
    for package in tomllib.loads(lock.read_text(encoding="utf-8"))["package"]:
        if "source" in package:
            yield package["name"], package["version"], lock.name


def distributions(root: Path) -> Iterator[Found]:
    """Return the lowest versions that pyproject.toml allows, the pinned versions of the release, and the installed
    versions.
    """
    pyproject = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    groups = project.get("optional-dependencies", {}).values()
    lines = [
        *pyproject["build-system"]["requires"],
        *project["dependencies"],
        *(line for group in groups for line in group),
    ]
    names = set()
    for line in lines:
        if found := _REQUIREMENT.match(line):
            names.add(normal(found[1]))
            if found[2]:
                yield normal(found[1]), found[2], "pyproject.toml, as the lowest that it allows"
    for file in sorted((root / ".github").glob("requirements-*.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if "==" in line and (found := _REQUIREMENT.match(line)) and found[2]:
                yield normal(found[1]), found[2], file.name
    for distribution in metadata.distributions():
        name = normal(distribution.metadata["Name"])
        if name in names:
            yield name, distribution.version, "the environment of this interpreter"


def applies(advisory: dict[str, Any], version: str) -> bool:
    """Return whether a version is in a range `[introduced, fixed)` of an advisory."""
    key = version_key(version)
    return any(version_key(low) <= key < version_key(fixed) for low, fixed in advisory["vulnerable"])


def findings(root: Path, snapshot: dict[str, Any]) -> Iterator[str]:
    """A line for each advisory that applies."""
    for kind, packages in (("crates", crates(root / "Cargo.lock")), ("python", distributions(root))):
        by_name: dict[str, list[dict[str, Any]]] = {}
        for advisory in snapshot[kind]:
            by_name.setdefault(advisory["package"], []).append(advisory)
        for name, version, place in packages:
            for advisory in by_name.get(name, ()):
                if applies(advisory, version):
                    yield f"{advisory['id']}: {name} {version} ({place}): {advisory['title']}"


def main(arguments: list[str]) -> int:
    """0 when no advisory applies."""
    parser = argparse.ArgumentParser(description="Look for published advisories that apply.")
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--advisories", type=Path, default=SNAPSHOT)
    options = parser.parse_args(arguments)
    snapshot = json.loads(options.advisories.read_text(encoding="utf-8"))
    age = (datetime.datetime.now(datetime.UTC).date() - datetime.date.fromisoformat(snapshot["date"])).days
    if age > OLD_AFTER_DAYS:
        print(f"warning: {options.advisories.name} is {age} days old: bring it up to date", file=sys.stderr)
    found = sorted(set(findings(options.root, snapshot)))
    for line in found:
        print(line, file=sys.stderr)
    known = len(snapshot["crates"]) + len(snapshot["python"])
    print(f"{len(found)} of {known} advisories of {snapshot['date']} apply")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
