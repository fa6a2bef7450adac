"""The types of the example shop are right, by mypy, and by basedpyright where `make lint` has installed it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SHOP = ROOT / "examples" / "shop"

COMMANDS = {
    # The cache is that of `make lint`: an unchanged shop takes a second.
    "mypy": (SHOP, "mypy", "--cache-dir", str(ROOT / ".mypy_cache" / "shop")),
    "basedpyright": (ROOT, "basedpyright", "--project", str(ROOT / "pyproject.toml")),
}


@pytest.mark.parametrize("checker", [name for name in COMMANDS if importlib.util.find_spec(name) is not None])
def test_a_type_checker_finds_nothing_in_the_shop(checker: str) -> None:
    folder, *arguments = COMMANDS[checker]
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_checkers_are_strict_about_the_shop() -> None:
    assert importlib.util.find_spec("mypy") is not None
    assert "strict = true" in (SHOP / "pyproject.toml").read_text()
    assert 'include = ["tests/typecheck", "examples/shop"]' in (ROOT / "pyproject.toml").read_text()
