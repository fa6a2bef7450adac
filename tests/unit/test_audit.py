"""`scripts/audit.py` finds packages with a published advisory, and there are none here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADVISORIES = json.loads((ROOT / "scripts" / "advisories.json").read_text())


def _audit(*words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "audit.py"), *words], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the files that the script reads."""
    for name in ("Cargo.lock", "pyproject.toml"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    (tmp_path / ".github").mkdir()
    return tmp_path


def test_no_known_advisory_applies() -> None:
    code, output = _audit()
    assert code == 0, output
    assert "0 of" in output


@pytest.mark.parametrize(("name", "version"), [("ring", "0.17.11"), ("rustls-webpki", "0.103.9"), ("pyo3", "0.28.3")])
def test_a_crate_with_an_advisory_is_found(project: Path, name: str, version: str) -> None:
    lines = (project / "Cargo.lock").read_text().splitlines()
    at = lines.index(f'name = "{name}"') + 1
    lines[at] = f'version = "{version}"'
    (project / "Cargo.lock").write_text("\n".join(lines))
    code, output = _audit("--root", str(project))
    assert code == 1
    assert f"{name} {version} (Cargo.lock)" in output


def test_a_requirement_that_allows_a_version_with_an_advisory_is_found(project: Path) -> None:
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(text.replace("PyYAML>=6", "PyYAML>=5.3"))
    code, output = _audit("--root", str(project))
    assert code == 1
    assert "CVE-2020-14343: pyyaml 5.3 (pyproject.toml" in output


def test_a_pinned_requirement_of_the_release_with_an_advisory_is_found(project: Path) -> None:
    (project / ".github" / "requirements-wheel.txt").write_text("setuptools==70.0.0 \\\n    --hash=sha256:00\n")
    code, output = _audit("--root", str(project))
    assert code == 1
    assert "CVE-2025-47273: setuptools 70.0.0 (requirements-wheel.txt)" in output


@pytest.mark.parametrize("advisory", ADVISORIES["crates"] + ADVISORIES["python"], ids=lambda each: each["id"])
def test_an_advisory_names_a_package_and_ranges_in_order(advisory: dict[str, object]) -> None:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from audit import version_key
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    ranges = advisory["vulnerable"]
    assert isinstance(ranges, list)
    assert ranges
    assert all(version_key(low) < version_key(fixed) for low, fixed in ranges)
