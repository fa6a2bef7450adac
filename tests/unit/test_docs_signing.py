"""The code of the guide on signing and encryption runs, and behaves as the guide says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.seals import NEW_KEY, OLD_KEY

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "signing-and-encryption.md"
# A block of Python that names the file it belongs in.
BLOCK = re.compile(r"^```python\n# (?P<name>\w+\.py)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of the guide."""
    blocks = {match["name"]: match["code"] for match in BLOCK.finditer(GUIDE.read_text())}
    assert blocks.keys() == {"shop.py", "attack.py", "zipped.py"}
    for name, code in blocks.items():
        (tmp_path / name).write_text(code)
    return tmp_path


def _run(folder: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        timeout=120,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_a_planted_call_is_refused_as_the_guide_shows(folder: Path) -> None:
    paid, refused, counted = _run(folder, "attack.py", SHOP_SIGNING_KEYS=f"{NEW_KEY},{OLD_KEY}").splitlines()
    assert paid == "paid 1"
    assert refused.startswith("SignatureError: refused the arguments of invocation ")
    assert "it is not signed" in refused
    assert counted == "{'arguments': 1}"


def test_the_codec_of_the_guide_compresses(folder: Path) -> None:
    code = (
        "from zipped import app, length; invocation = length('x' * 100_000); "
        "stored = app._runtime.store.get(str(invocation.invocation_id)).payload; "
        "print(len(stored), invocation.call.arguments.kwargs['text'][:1])"
    )
    size, text = _run(folder, "-c", code).split()
    assert int(size) < 1000
    assert text == "x"


def test_the_order_of_a_rotation_is_the_one_that_is_tested() -> None:
    steps = re.findall(r"^[1-4]\. .*?`([a-z,]+)`", GUIDE.read_text(), re.MULTILINE)
    rotation = (GUIDE.parents[2] / "tests" / "crash" / "test_key_rotation.py").read_text()
    names = {"old": "OLD_KEY", "new": "NEW_KEY"}
    for step in steps:
        keys = [names[key] for key in step.split(",")]
        assert f"({', '.join(keys)}{',' if len(keys) == 1 else ''})" in rotation
    assert len(steps) == 3
