"""Install the missing requirements of pyproject.toml into this venv; use no network if nothing is missing.

Usage: requirements.py [EXTRA ...]  -- every extra but those of LATER by default
"""

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from pip._vendor.packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent


LATER = {"docs"}
"""Extras that neither running nor testing needs; the target that needs one names it."""


def wanted(chosen: list[str]) -> list[str]:
    """The build backend, the dependencies and the chosen extras, in the words of pyproject.toml."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = pyproject["project"]
    groups = project["optional-dependencies"]
    extras = [line for name in chosen or groups.keys() - LATER for line in groups[name]]
    return [*pyproject["build-system"]["requires"], *project["dependencies"], *extras]


def is_missing(line: str) -> bool:
    """Whether no installed distribution satisfies this requirement."""
    requirement = Requirement(line)
    if requirement.marker is not None and not requirement.marker.evaluate():
        return False
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return True
    return not requirement.specifier.contains(version, prereleases=True)


def main(chosen: list[str]) -> int:
    """0 when everything is there at the end; pip's exit code otherwise."""
    missing = sorted({line for line in wanted(chosen) if is_missing(line)})
    if not missing:
        return 0
    print("installing", ", ".join(missing), flush=True)
    code = subprocess.call([sys.executable, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *missing])
    if code:
        print("error: pip could not install the packages above; they are needed once, from an index", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
